import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { Log } from '../../../sidecar/core/log.ts';
import { type Authority, createAuthority } from '../../../sidecar/identity/development-ca.ts';
import type { Sidecar } from '../../../sidecar/index.ts';
import type { Answers } from '../../support/echo-client.ts';
import { until } from '../../support/raw-http2.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

const seen = (what: string, holds: () => boolean): Promise<void> => until(holds, what);

/** Not the default, so that a leaf can be told from one that was made within the same second. */
const otherTtlMs = 80 * 3600_000;

/** What the sidecar shows of its certificate: name and dates. */
const leafOf = (sidecar: Sidecar): string => JSON.stringify(sidecar.identity());

/** Calls without end until told; the codes. */
const steadily = (mesh: TwoSidecars, atOnce = 4): { codes: number[]; stop(): Promise<void> } => {
  const codes: number[] = [];
  let going = true;
  const work = Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (going) codes.push((await mesh.client.call('Unary', 'm')).code);
    }),
  );
  return {
    codes,
    stop: async () => {
      going = false;
      await work;
    },
  };
};

const pingPong = async (stream: Answers, text: string): Promise<string> => {
  const answer = once(stream.call, 'data');
  stream.call.write(Buffer.from(text));
  return String((await answer)[0]);
};

const failures = (codes: readonly number[]): number[] => codes.filter((code) => code !== grpc.status.OK);

describe('certificates that change under load', () => {
  it('twenty times, both sides: no call fails, and no stream breaks', async () => {
    const mesh = await twoSidecars();
    const { certificates, callees, caller, client } = mesh;
    const streams = Array.from({ length: 5 }, () => client.bidi());
    for (const stream of streams) await pingPong(stream, 'before');
    const load = steadily(mesh);
    for (let i = 0; i < 20; i++) {
      const before = [leafOf(caller), leafOf(callees[0]!)];
      // Lifetimes differ, so that each leaf can be told from the last.
      const ttlMs = (73 + i) * 3600_000;
      await certificates.write('echo', { service: 'echo', ttlMs });
      await certificates.write('web', { service: 'web', ttlMs });
      await seen(
        `rotation ${i + 1}`,
        () => leafOf(caller) !== before[0] && leafOf(callees[0]!) !== before[1],
      );
      // A new connection shows the new certificate, and works.
      if (i % 5 === 0) {
        const orders = await mesh.addCaller(`orders-${i}`);
        const other = mesh.connect('echo', { target: orders.ports.app });
        expect((await other.call('Unary', 'm')).code).toBe(grpc.status.OK);
      }
    }
    await load.stop();
    expect(failures(load.codes)).toEqual([]);
    expect(load.codes.length).toBeGreaterThan(100);
    for (const stream of streams) {
      expect(await pingPong(stream, 'after')).toBe('after');
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
  let renewals = 0;
  const note = (_: object, message: string): void => {
    if (message === 'identity renewed from files') renewals++;
  };
  const log: Log = { debug: () => {}, info: note, warn: () => {}, error: () => {} };

  const change = async (mesh: TwoSidecars, old: Authority, next: Authority): Promise<void> => {
    const both = [old.root, next.root];
    const { certificates, caller, callees } = mesh;
    // Add the new root, on both sides; switch the leaves; drop the old root.
    const before = renewals;
    for (const name of ['echo', 'web']) await certificates.trust(name, both);
    await seen('both roots on both sides', () => renewals === before + 2);
    for (const [name, sidecar] of [
      ['echo', callees[0]!],
      ['web', caller],
    ] as const) {
      const leaf = leafOf(sidecar);
      await certificates.write(name, { service: name, ttlMs: otherTtlMs }, next, both);
      await seen(`the new leaf of ${name}`, () => leafOf(sidecar) !== leaf);
    }
  };
  it('add, switch, drop: no call fails; who still has the old one is refused from then on', async () => {
    const mesh = await twoSidecars({ log });
    const { certificates, callees, caller } = mesh;
    const old = certificates.authority;
    const next = await createAuthority({ trustDomain: mesh.certificates.authority.trustDomain });
    const load = steadily(mesh);
    // Somebody who will not follow: an old leaf, though it trusts both.
    const files = await certificates.write('laggard', { service: 'laggard' }, old, [old.root, next.root]);
    const laggard = await mesh.addCaller('laggard', {}, files);
    const late = mesh.connect('echo', { target: laggard.ports.app });
    expect((await late.call('Unary', 'm')).code).toBe(grpc.status.OK);

    await change(mesh, old, next);
    expect((await late.call('Unary', 'm')).code).toBe(grpc.status.OK);
    const dials = sumOf(caller, 'outrigger_dials_total', 'outcome="ok"');
    await certificates.trust('web', [next.root]);
    await certificates.trust('echo', [next.root]);
    // Connections that began under the old root drain and are replaced.
    await seen('a new connection', () => sumOf(caller, 'outrigger_dials_total', 'outcome="ok"') > dials);
    await seen('the laggard to be refused', () => sumOf(laggard, 'outrigger_links', 'service="echo"') === 0);
    await load.stop();
    expect(failures(load.codes)).toEqual([]);

    const refused = sumOf(callees[0]!, 'outrigger_handshakes_refused_total');
    expect((await late.call('Unary', 'm')).code).toBe(grpc.status.UNAVAILABLE);
    await seen('a refusal', () => sumOf(callees[0]!, 'outrigger_handshakes_refused_total') > refused);
    expect((await mesh.client.call('Unary', 'm')).code).toBe(grpc.status.OK);
    await mesh.close();
  });

  it('control: a switch without the new root added before fails calls', async () => {
    const mesh = await twoSidecars();
    const next = await createAuthority({ trustDomain: mesh.certificates.authority.trustDomain });
    const before = leafOf(mesh.callees[0]!);
    await mesh.certificates.write('echo', { service: 'echo', ttlMs: otherTtlMs }, next, [next.root]);
    await seen('the new leaf', () => leafOf(mesh.callees[0]!) !== before);
    const orders = await mesh.addCaller('orders');
    const client = mesh.connect('echo', { target: orders.ports.app });
    const { code, message } = await client.call('Unary', 'm');
    expect(code).toBe(grpc.status.UNAVAILABLE);
    expect(message).toMatch(/certificate/);
    await mesh.close();
  });
});
