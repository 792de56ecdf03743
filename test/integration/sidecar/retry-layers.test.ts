import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import type { Sidecar } from '../../../sidecar/index.ts';
import { type Forwarder, startForwarder } from '../../support/forwarder.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

const { OK, UNAVAILABLE } = grpc.status;
const free = '127.0.0.1:0';

let mesh: TwoSidecars;
let middle: Forwarder;
afterEach(async () => {
  middle.close();
  await mesh.close();
});

/** web calls `middle`, which calls `echo`; both calls may be executed twice. */
const start = async (passesBaggage: boolean): Promise<{ web: Sidecar; inner: Sidecar }> => {
  mesh = await twoSidecars({ instances: 2 });
  middle = await startForwarder(() => inner.ports.app, { authority: 'echo', passesBaggage });
  const inner: Sidecar = await mesh.addCaller('middle', {
    service: { name: 'middle', port: middle.port },
    listen: { peers: free },
    balance: 'round-robin',
    policies: { echo: { idempotent: true } },
  });
  const web = await mesh.addCaller('front', {
    discovery: { static: { services: { middle: [inner.ports.peers] } } },
    policies: { middle: { idempotent: true } },
  });
  return { web, inner };
};

const call = (web: Sidecar): Promise<{ code: number }> =>
  mesh.connect('middle', { target: web.ports.app }).call('Unary', 'm');

const seenAtTheBottom = (): number => mesh.apps.reduce((sum, { seen }) => sum + seen.length, 0);

describe('a call tree of two hops, both of which may retry, whose bottom fails', () => {
  it('is tried three times, for the outer sidecar alone tries again', async () => {
    const { web, inner } = await start(true);
    for (const app of mesh.apps) app.failing = UNAVAILABLE;
    expect((await call(web)).code).toBe(UNAVAILABLE);
    expect(seenAtTheBottom()).toBe(3);
    expect(sumOf(web, 'outrigger_retries_total', 'kind="retry"')).toBe(2);
    expect(sumOf(inner, 'outrigger_retries_total')).toBe(0);
    expect(sumOf(inner, 'outrigger_retries_refused_total', 'reason="layer"')).toBe(3);
  });

  it('control: is tried nine times when the app between does not pass on baggage', async () => {
    const { web, inner } = await start(false);
    for (const app of mesh.apps) app.failing = UNAVAILABLE;
    expect((await call(web)).code).toBe(UNAVAILABLE);
    expect(seenAtTheBottom()).toBe(9);
    expect(sumOf(inner, 'outrigger_retries_total', 'kind="retry"')).toBe(6);
  });

  it('is still tried again by the inner sidecar where no app was reached', async () => {
    const { web, inner } = await start(true);
    mesh.apps[0]!.close();
    for (let i = 0; i < 4; i++) expect((await call(web)).code).toBe(OK);
    expect(sumOf(inner, 'outrigger_retries_total', 'kind="transparent"')).toBeGreaterThan(0);
    expect(sumOf(web, 'outrigger_retries_total')).toBe(0);
  });
});
