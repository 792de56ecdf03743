import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Log } from '../../../sidecar/core/log.ts';
import { withoutId } from '../../support/baggage.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

describe('what follows a call over both hops', () => {
  let mesh: TwoSidecars;
  beforeAll(async () => {
    mesh = await twoSidecars({
      caller: { flags: { express: 'on' } },
      callee: { flags: { express: 'off', other: 'x' } },
    });
  });
  afterAll(() => mesh.close());

  const lastSeen = (): grpc.Metadata => mesh.apps[0]!.seen.at(-1)!.metadata;

  it('a clean id arrives as it was sent', async () => {
    await mesh.client.call('Unary', 'm', { metadata: [['x-request-id', 'order-17:A.b_c']] });
    expect(lastSeen().get('x-request-id')).toEqual(['order-17:A.b_c']);
  });

  it('an id in the other spelling does too', async () => {
    await mesh.client.call('Unary', 'm', { metadata: [['x-correlation-id', 'theirs']] });
    expect(lastSeen().get('x-request-id')).toEqual(['theirs']);
  });

  it('without one it is made once, and is the same at both hops', async () => {
    await mesh.client.call('Unary', 'm');
    expect(lastSeen().get('x-request-id')[0]).toMatch(/^[0-9a-f]{32}$/);
  });

  it.each(['a b', 'a"b', '%0d%0a', '{}', 'x'.repeat(129), ';rm'])(
    'an id that is not clean is made anew, and counted: %j',
    async (id) => {
      const before = sumOf(mesh.caller, 'outrigger_ids_rejected_total', 'direction="outbound"');
      const sent = [['x-request-id', id]] as const;
      await mesh.client.call('Unary', 'm', { metadata: sent });
      expect(lastSeen().get('x-request-id')[0]).toMatch(/^[0-9a-f]{32}$/);
      expect(sumOf(mesh.caller, 'outrigger_ids_rejected_total', 'direction="outbound"')).toBe(before + 1);
      expect(sumOf(mesh.callees[0]!, 'outrigger_ids_rejected_total')).toBe(0);
    },
  );

  it('a trace that came goes on unchanged, one that is malformed begins anew', async () => {
    const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    await mesh.client.call('Unary', 'm', {
      metadata: [
        ['traceparent', parent],
        ['tracestate', 'a=1'],
      ],
    });
    expect([lastSeen().get('traceparent'), lastSeen().get('tracestate')]).toEqual([[parent], ['a=1']]);
    await mesh.client.call('Unary', 'm', {
      metadata: [
        ['traceparent', parent.replace('00-', 'ff-')],
        ['tracestate', 'a=1'],
      ],
    });
    expect(lastSeen().get('traceparent')[0]).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(lastSeen().get('tracestate')).toEqual([]);
  });

  it("the first hop's flag holds for every hop; the callee's own file cannot change it", async () => {
    await mesh.client.call('Unary', 'm');
    expect(withoutId(lastSeen().get('baggage'))).toBe('outrigger.hops=1,ff.express=on');
  });

  it('what baggage there is stays before it, and a flag that it carries wins', async () => {
    await mesh.client.call('Unary', 'm', { metadata: [['baggage', 'user=7,ff.express=canary']] });
    expect(withoutId(lastSeen().get('baggage'))).toBe('outrigger.hops=1,user=7,ff.express=canary');
    await mesh.client.call('Unary', 'm', { metadata: [['baggage', 'user=7']] });
    expect(withoutId(lastSeen().get('baggage'))).toBe('outrigger.hops=1,user=7,ff.express=on');
  });

  it('an error made by the mesh says who speaks, and carries the id', async () => {
    const metadata = [['x-request-id', 'ask-me']] as const;
    const near = await mesh.connect('nobody').call('Unary', 'm', { metadata });
    expect(near.message).toMatch(/^outrigger web: /);
    expect(near.trailers.get('x-request-id')).toEqual(['ask-me']);
    mesh.apps[0]!.close();
    const far = await mesh.client.call('Unary', 'm', { metadata });
    expect(far.message).toMatch(/^outrigger echo: /);
    expect(far.trailers.get('x-request-id')).toEqual(['ask-me']);
  });

  it('so does a refusal of a malformed path or authority, before any filter of the call has run', async () => {
    const metadata = [['x-request-id', 'ask-me-too']] as const;
    for (const [path, client] of [
      ['/one/two/three', mesh.client],
      ['/interop.Echo/Unary', mesh.connect('a;b')],
    ] as const) {
      const named = await client.raw(path, Buffer.alloc(0), { metadata });
      expect(named.message).toMatch(/^outrigger web: ':(path|authority)' must be /);
      expect(named.trailers.get('x-request-id')).toEqual(['ask-me-too']);
      const { trailers } = await client.raw(path);
      expect(trailers.get('x-request-id')[0]).toMatch(/^[0-9a-f]{32}$/);
    }
    expect(sumOf(mesh.caller, 'outrigger_calls_total', 'method="malformed"', 'from="mesh"')).toBe(4);
  });
});

describe('without a flag of the caller', () => {
  it("the callee's sidecar sends none of its own to its app", async () => {
    const mesh = await twoSidecars({ callee: { flags: { express: 'off' } } });
    try {
      await mesh.client.call('Unary', 'm');
      expect(withoutId(mesh.apps[0]!.seen[0]!.metadata.get('baggage'))).toBe('outrigger.hops=1');
    } finally {
      await mesh.close();
    }
  });
});

describe('the log', () => {
  it('has the id of a denied call at the callee', async () => {
    const lines: { fields: object; message: string }[] = [];
    const note = (fields: object, message: string): void => void lines.push({ fields, message });
    const log: Log = { debug: note, info: note, warn: note, error: note };
    const mesh = await twoSidecars({ log, callee: { intentions: [{ from: 'web', allow: false }] } });
    try {
      const { code } = await mesh.client.call('Unary', 'm', { metadata: [['x-request-id', 'denied-1']] });
      expect(code).toBe(grpc.status.PERMISSION_DENIED);
      const denied = lines.filter(({ message }) => message.includes('may not call'));
      expect(denied).toHaveLength(1);
      expect(denied[0]!.fields).toMatchObject({
        id: 'denied-1',
        caller: 'web',
        method: '/interop.Echo/Unary',
      });
    } finally {
      await mesh.close();
    }
  });
});
