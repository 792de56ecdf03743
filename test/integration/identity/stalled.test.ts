import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { until } from '../../support/raw-http2.ts';
import { sumOf, twoSidecars } from '../../support/sidecars.ts';
import { laxServer, stallHandshakes } from '../../support/stalled-handshakes.ts';
import { atRate, patientMs } from '../../support/steady-load.ts';

const addresses = 10;
const perAddress = 80;

// 2,000 of them, with the latencies of others: row T-36 of `npm run chaos`.
describe('handshakes that stall', () => {
  it('are few, are over within five seconds, and take the place of nobody', async () => {
    const mesh = await twoSidecars();
    const port = Number(mesh.callees[0]!.ports.peers!.split(':')[1]);
    expect((await mesh.client.call('Unary', 'm')).code).toBe(grpc.status.OK);
    // There before, but without a connection.
    const { ports } = await mesh.addCaller('newcomer');
    const newcomer = mesh.connect('echo', { target: ports.app });
    const load = atRate(mesh.client, 50, patientMs);
    const control = await laxServer(addresses, perAddress);
    const stalled = await stallHandshakes(port, addresses, perAddress);
    await until(() => stalled.open() <= 512, 'those above the limit to be closed');
    const begun = performance.now();
    // They hold every place: of all, and of the address of our callers. A second later they give them up.
    let code = grpc.status.UNAVAILABLE;
    for (let turn = 0; code !== grpc.status.OK && turn < 20; turn++) {
      code = (await newcomer.call('Unary', 'm', { deadlineMs: 1000 })).code;
      if (code !== grpc.status.OK) await new Promise((next) => setTimeout(next, 100));
    }
    expect(code).toBe(grpc.status.OK);
    expect(performance.now() - begun).toBeLessThan(4500);
    expect(stalled.open()).toBeGreaterThan(300);
    await until(() => stalled.open() === 0, 'all of them to be closed', 20_000);
    await load.stop();
    expect(load.complaints).toEqual([]);
    const refused = sumOf(mesh.callees[0]!, 'outrigger_handshakes_refused_total', 'reason="unfinished"');
    expect(refused).toBeGreaterThan(300);
    // Control: Node's own TLS server has them all still.
    expect(control.held()).toBe(addresses * perAddress);
    await control.close();
    await mesh.close();
  });
});
