import { randomBytes, randomInt } from 'node:crypto';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withoutId } from '../../support/baggage.ts';
import { floods, tenKilobytesOfFlags } from '../../support/odd-metadata.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

describe('metadata passes two sidecars as it was sent', () => {
  let mesh: TwoSidecars;
  beforeAll(async () => {
    mesh = await twoSidecars();
  });
  afterAll(() => mesh.close());

  const lastSeen = (): grpc.Metadata => mesh.apps[0]!.seen.at(-1)!.metadata;

  it('random binary values, there in the request, back in headers and trailers', async () => {
    for (let i = 0; i < 40; i++) {
      const values = Array.from({ length: randomInt(1, 4) }, () => randomBytes(randomInt(1, 300)));
      const metadata = values.map((value) => ['x-echo-random-bin', value] as const);
      const { code, headers, trailers } = await mesh.client.call('Unary', 'm', { metadata });
      expect(code).toBe(grpc.status.OK);
      expect(lastSeen().get('x-echo-random-bin')).toEqual(values);
      expect(headers.get('x-echo-random-bin')).toEqual(values);
      expect(trailers.get('x-trail-random-bin')).toEqual(values);
    }
  });

  it('repeated keys keep their order, and values their spelling', async () => {
    const values = ['b', 'a', 'with, comma', 'with "quotes"; = %41 ~', 'a'];
    const metadata = values.map((value) => ['x-echo-text', value] as const);
    const { headers, trailers } = await mesh.client.call('Unary', 'm', { metadata });
    // Node joins what is repeated; that it came as several fields is what the Python and Go clients see.
    expect(lastSeen().get('x-echo-text')).toEqual([values.join(', ')]);
    expect(headers.get('x-echo-text')).toEqual([values.join(', ')]);
    expect(trailers.get('x-trail-text')).toEqual([values.join(', ')]);
  });

  it('streams carry it too', async () => {
    const secret = randomBytes(64);
    const stream = mesh.client.bidi({ metadata: [['x-echo-stream-bin', secret]] });
    expect((await stream.headers).get('x-echo-stream-bin')).toEqual([secret]);
    stream.call.end();
    expect((await stream.ended).trailers.get('x-trail-stream-bin')).toEqual([secret]);
  });

  it('what the app sees beyond a direct call is what the design names, and nothing is missing', async () => {
    const metadata = [
      ['x-user', 'u'],
      ['authorization', 'Bearer abc'],
      ['x-correlation-id', 'mine-too'],
      ['x-request-id', 'mine'],
      ['idempotency-key', 'k'],
    ] as const;
    const direct = mesh.connect('echo', { target: `127.0.0.1:${mesh.apps[0]!.port}` });
    await direct.call('Unary', 'm', { metadata });
    const before = lastSeen().getMap();
    await mesh.client.call('Unary', 'm', { metadata });
    const { traceparent, 'x-outrigger-token': token, ...after } = lastSeen().getMap();
    const baggage = 'outrigger.id=mine,outrigger.hops=1';
    expect(after).toEqual({ ...before, 'x-outrigger-caller': 'web', baggage });
    expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(token).toMatch(/^[\w-]+$/);
    expect(after['user-agent']).toMatch(/^grpc-node-js/);
  });

  it('what the caller gets back is what the app sent', async () => {
    const direct = mesh.connect('echo', { target: `127.0.0.1:${mesh.apps[0]!.port}` });
    const metadata = [['x-echo-one', '1']] as const;
    const answers = [
      await direct.call('Unary', 'm', { metadata }),
      await mesh.client.call('Unary', 'm', { metadata }),
    ].map(({ headers, trailers }) => {
      const { date: _, ...head } = headers.getMap();
      return { head, trailers: trailers.getMap() };
    });
    expect(answers[1]).toEqual(answers[0]);
  });

  it('the app sees the authority that the caller named', async () => {
    for (const authority of ['echo', 'echo.mesh', 'echo:443']) {
      await mesh.connect(authority).call('Unary', 'm');
      expect(mesh.apps[0]!.seen.at(-1)!.host).toBe('echo');
    }
  });

  it('more metadata than the limit is refused, and the connection lives on', async () => {
    const many = Array.from({ length: 70 }, (_, i) => [`x-many-${i}`, 'v'] as const);
    const seen = mesh.apps[0]!.seen.length;
    expect((await mesh.client.call('Unary', 'm', { metadata: many })).code).toBe(
      grpc.status.RESOURCE_EXHAUSTED,
    );
    const long = [['x-long', 'v'.repeat(17_000)]] as const;
    expect((await mesh.client.call('Unary', 'm', { metadata: long })).code).toBe(
      grpc.status.RESOURCE_EXHAUSTED,
    );
    expect(mesh.apps[0]!.seen.length).toBe(seen);
    // Control: a little less passes.
    const fewer = Array.from({ length: 40 }, (_, i) => [`x-many-${i}`, 'v'] as const);
    expect((await mesh.client.call('Unary', 'm', { metadata: fewer })).code).toBe(grpc.status.OK);
  });
});

describe('metadata that is too much', () => {
  it.each(Object.entries(floods))(
    '%s ends in RESOURCE_EXHAUSTED at either port, counted, and other connections go on',
    async (_, metadata) => {
      const mesh = await twoSidecars({ secure: false });
      try {
        const neighbour = mesh.connect('echo').bidi();
        for (const [listener, sidecar, target] of [
          ['app', mesh.caller, mesh.caller.ports.app],
          ['peers', mesh.callees[0]!, mesh.callees[0]!.ports.peers!],
        ] as const) {
          const counted = () => sumOf(sidecar, 'outrigger_limit_breaches_total', `listener="${listener}"`);
          const before = counted();
          const client = mesh.connect('echo', { target, 'grpc.primary_user_agent': 'flood' });
          const { code } = await client.call('Unary', 'm', { metadata });
          expect([code, counted() - before]).toEqual([grpc.status.RESOURCE_EXHAUSTED, 1]);
          expect((await client.call('Unary', 'm')).code).toBe(grpc.status.OK);
        }
        const names = mesh.apps[0]!.seen.flatMap(({ metadata }) => Object.keys(metadata.getMap()));
        expect(names.filter((name) => /^x-(many|long)/.test(name))).toEqual([]);
        neighbour.call.write(Buffer.from('still here'));
        neighbour.call.end();
        expect([(await neighbour.ended).code, neighbour.messages.map(String)]).toEqual([0, ['still here']]);
      } finally {
        await mesh.close();
      }
    },
  );

  it('control: with limits that are higher the app sees all of it', async () => {
    const limits = { 'header-list': '256KiB', 'header-fields': 2000 };
    const mesh = await twoSidecars({ caller: { limits }, callee: { limits } });
    try {
      // As far as the app's own library takes it.
      const metadata = floods['17 kB in one value']!;
      const { code } = await mesh.client.call('Unary', 'm', { metadata });
      expect(code).toBe(grpc.status.OK);
      expect(mesh.apps[0]!.seen.at(-1)!.metadata.get('x-long')).toEqual([metadata[0]![1]]);
    } finally {
      await mesh.close();
    }
  });

  it('flags of 10 kB are cut to what baggage may be long, in whole members and from the end, counted', async () => {
    const mesh = await twoSidecars();
    try {
      const metadata = [['baggage', tenKilobytesOfFlags]] as const;
      expect((await mesh.client.call('Unary', 'm', { metadata })).code).toBe(grpc.status.OK);
      const [baggage] = mesh.apps[0]!.seen.at(-1)!.metadata.get('baggage').map(String);
      const members = withoutId(baggage).split(',');
      expect(members).toEqual(['outrigger.hops=1', ...tenKilobytesOfFlags.split(',').slice(0, 62)]);
      expect(sumOf(mesh.caller, 'outrigger_baggage_trimmed_total')).toBe(1);
    } finally {
      await mesh.close();
    }
  });
});
