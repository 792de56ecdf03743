import { writeFile } from 'node:fs/promises';
import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { Sabotage } from '../../../sidecar/sabotage.ts';
import { agentMesh, hasty } from '../../support/agent-mesh.ts';
import { until } from '../../support/raw-http2.ts';
import {
  addRoot,
  dropRoot,
  leafOf,
  nextAuthority,
  renewalsLog,
  renewLeaves,
  serialShown,
  serialWritten,
  switchLeaves,
  switchUntold,
} from '../../support/rotation.ts';
import { sumOf, twoSidecars } from '../../support/sidecars.ts';
import { echoes, steadily } from '../../support/steady-load.ts';

const seen = (what: string, holds: () => boolean): Promise<void> => until(holds, what);

describe('certificates that change under load', () => {
  // 100 of them, and by the wall clock: row T-30 of `npm run chaos`.
  it('twenty times, both sides: no call fails, and no stream breaks', async () => {
    const mesh = await twoSidecars();
    const { caller, client } = mesh;
    const streams = Array.from({ length: 5 }, () => client.bidi());
    for (const stream of streams) expect(await echoes(stream, 'before')).toBe(true);
    const load = steadily(client);
    for (let turn = 0; turn < 20; turn++) {
      await renewLeaves(mesh, turn);
      // A new connection shows the new certificate, and works.
      if (turn % 5 === 0) {
        expect(await serialShown(mesh)).toBe(await serialWritten(mesh));
        const orders = await mesh.addCaller(`orders-${turn}`);
        const other = mesh.connect('echo', { target: orders.ports.app });
        expect((await other.call('Unary', 'm')).code).toBe(grpc.status.OK);
      }
    }
    await load.stop();
    expect(load.complaints).toEqual([]);
    expect(load.codes.length).toBeGreaterThan(100);
    for (const stream of streams) {
      expect(await echoes(stream, 'after')).toBe(true);
      stream.call.end();
      expect((await stream.ended).code).toBe(grpc.status.OK);
    }
    expect(sumOf(caller, 'outrigger_links_lost_total')).toBe(0);
    await mesh.close();
  });

  it('half a pair is not used: the one before holds, and it is counted', async () => {
    const mesh = await twoSidecars();
    const { certificates, caller } = mesh;
    const before = leafOf(caller);
    const other = await certificates.authority.issue({ service: 'web' });
    await writeFile(`${certificates.directory}/web.key`, other.key);
    await seen('a refusal', () => sumOf(caller, 'outrigger_identities_refused_total', 'kind="files"') > 0);
    expect(leafOf(caller)).toBe(before);
    expect((await mesh.client.call('Unary', 'm')).code).toBe(grpc.status.OK);
    await mesh.close();
  });
});

describe('a change of the authority under load', () => {
  it('add, switch, drop: no call fails; who still has the old one is refused from then on', async () => {
    const { log, renewals } = renewalsLog();
    const mesh = await twoSidecars({ log });
    const { certificates, callees, caller } = mesh;
    const old = certificates.authority;
    const next = await nextAuthority(mesh);
    const load = steadily(mesh.client);
    // Somebody who will not follow: an old leaf, though it trusts both.
    const files = await certificates.write('laggard', { service: 'laggard' }, old, [old.root, next.root]);
    const laggard = await mesh.addCaller('laggard', {}, files);
    const late = mesh.connect('echo', { target: laggard.ports.app });
    expect((await late.call('Unary', 'm')).code).toBe(grpc.status.OK);

    await addRoot(mesh, next, renewals);
    await switchLeaves(mesh, next);
    expect((await late.call('Unary', 'm')).code).toBe(grpc.status.OK);
    const dials = sumOf(caller, 'outrigger_dials_total', 'outcome="ok"');
    await dropRoot(mesh, next);
    // Connections that began under the old root drain and are replaced.
    await seen('a new connection', () => sumOf(caller, 'outrigger_dials_total', 'outcome="ok"') > dials);
    await seen('the laggard to be refused', () => sumOf(laggard, 'outrigger_links', 'service="echo"') === 0);
    await load.stop();
    expect(load.complaints).toEqual([]);

    const refused = sumOf(callees[0]!, 'outrigger_handshakes_refused_total');
    expect((await late.call('Unary', 'm')).code).toBe(grpc.status.UNAVAILABLE);
    await seen('a refusal', () => sumOf(callees[0]!, 'outrigger_handshakes_refused_total') > refused);
    expect((await mesh.client.call('Unary', 'm')).code).toBe(grpc.status.OK);
    await mesh.close();
  });

  it('control: a switch without the new root added before fails calls', async () => {
    const mesh = await twoSidecars();
    await switchUntold(mesh, await nextAuthority(mesh));
    const orders = await mesh.addCaller('orders');
    const client = mesh.connect('echo', { target: orders.ports.app });
    const { code, message } = await client.call('Unary', 'm');
    expect(code).toBe(grpc.status.UNAVAILABLE);
    expect(message).toMatch(/certificate/);
    await mesh.close();
  });
});

describe('certificates from Consul that change under load', () => {
  // 100 of them, and leaves that really end: rows T-30 of `npm run chaos`.
  it('leaves again and again, then a new root: no call fails, and no stream breaks', async () => {
    const mesh = await agentMesh({ time: hasty(300) });
    const { agent, caller, client } = mesh;
    const streams = Array.from({ length: 5 }, () => client.bidi());
    const load = steadily(client);
    await seen('five leaves on both sides', () => mesh.renewals() >= 5);
    await agent.rotateRoot();
    const both = mesh.renewals() + 3; // the root, a leaf of it, and one more
    await seen('leaves of the new root', () => mesh.renewals() >= both);
    for (const stream of streams) {
      expect(await echoes(stream, 'still')).toBe(true);
      stream.call.end();
      expect((await stream.ended).code).toBe(grpc.status.OK);
    }
    const dials = sumOf(caller, 'outrigger_dials_total', 'outcome="ok"');
    agent.dropOldRoots();
    await seen('a new connection', () => sumOf(caller, 'outrigger_dials_total', 'outcome="ok"') > dials);
    expect(await mesh.newcomer('orders')).toBe(grpc.status.OK);
    await load.stop();
    expect(load.complaints).toEqual([]);
    expect(load.codes.length).toBeGreaterThan(100);
    expect(sumOf(caller, 'outrigger_links_lost_total')).toBe(0);
    await mesh.close();
  });

  /** What calls were told while the agent's root went with its state, leaves a second after it. */
  const lostRoots = async (sabotage: readonly Sabotage[]): Promise<string[]> => {
    const mesh = await agentMesh({ sabotage });
    const load = steadily(mesh.client);
    const before = mesh.renewals();
    await mesh.agent.loseRoots('other.consul', 1000);
    await seen('leaves of the new root', () => mesh.renewals() >= before + 2);
    expect(await mesh.newcomer('orders')).toBe(grpc.status.OK);
    await load.stop();
    await mesh.close();
    expect(load.codes.length).toBeGreaterThan(100);
    return load.complaints;
  };

  it('another root in place of all, of another trust domain: no call fails while leaves follow', async () => {
    expect(await lostRoots([])).toEqual([]);
  });

  it('control: a callee that drops the lost root at once is reached by nobody', async () => {
    const complaints = await lostRoots(['roots']);
    expect(complaints.length).toBeGreaterThan(0);
    expect(complaints[0]).toMatch(/certificate/);
  });

  it('control: a callee that does not follow is refused by whoever comes after the change', async () => {
    const mesh = await agentMesh({ sabotage: ['identity'] });
    await mesh.agent.rotateRoot();
    mesh.agent.dropOldRoots();
    expect(await mesh.newcomer('orders')).toBe(grpc.status.UNAVAILABLE);
    await mesh.close();
  });
});
