import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority, type LeafRequest } from '../../../sidecar/identity/development-ca.ts';
import type { Sidecar } from '../../../sidecar/index.ts';
import { until } from '../../support/raw-http2.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

const refused = (callee: Sidecar, reason: string): number =>
  sumOf(callee, 'outrigger_handshakes_refused_total', `reason="${reason}"`);

describe('a caller with a wrong certificate reaches no app', () => {
  let mesh: TwoSidecars;
  beforeAll(async () => {
    mesh = await twoSidecars();
  });
  afterAll(() => mesh.close());

  const attempt = async (name: string, request: LeafRequest): Promise<{ code: number; message: string }> => {
    const caller = await mesh.addCaller('web', {}, await mesh.certificates.write(name, request));
    return mesh.connect('echo', { target: caller.ports.app }).call('Unary', 'm');
  };

  const day = 24 * 3600 * 1000;
  const wrong: readonly (readonly [string, () => LeafRequest, string])[] = [
    ['expired', () => ({ service: 'web', notAfter: Date.now() - 1000 }), 'certificate'],
    [
      'not yet valid',
      () => ({ service: 'web', notBefore: Date.now() + day, notAfter: Date.now() + 2 * day }),
      'certificate',
    ],
    ['no SPIFFE id', () => ({ service: 'web', uris: [] }), 'identity'],
    [
      'two URIs',
      () => ({ uris: ['spiffe://a.consul/ns/default/dc/dc1/svc/web', 'spiffe://a.consul/x'] }),
      'identity',
    ],
    [
      'a URI that is no SPIFFE id',
      () => ({ uris: ['https://a.consul/ns/default/dc/dc1/svc/web'] }),
      'identity',
    ],
    ['a whole trust domain', () => ({ uris: ['spiffe://a.consul'] }), 'identity'],
  ];
  it.each(wrong)('%s', async (name, request, reason) => {
    const callee = mesh.callees[0]!;
    const before = refused(callee, reason);
    const seen = mesh.apps[0]!.seen.length;
    const { code, message } = await attempt(name.replaceAll(' ', '-'), request());
    expect(code).toBe(grpc.status.UNAVAILABLE);
    expect(message).toContain(callee.ports.peers);
    expect(message).toContain('perhaps it does not believe our certificate');
    await until(() => refused(callee, reason) > before, `a refusal counted as ${reason}`);
    expect(mesh.apps[0]!.seen.length).toBe(seen);
  });

  it('another authority', async () => {
    const callee = mesh.callees[0]!;
    const { trustDomain } = mesh.certificates.authority;
    const other = await createAuthority({ trustDomain });
    // It trusts ours and has our trust domain, so that only the callee can object.
    const files = await mesh.certificates.write('foreign', { service: 'web' }, other, [
      mesh.certificates.authority.root,
    ]);
    const caller = await mesh.addCaller('web', {}, files);
    const before = refused(callee, 'certificate');
    const { code } = await mesh.connect('echo', { target: caller.ports.app }).call('Unary', 'm');
    expect(code).toBe(grpc.status.UNAVAILABLE);
    await until(() => refused(callee, 'certificate') > before, 'a refusal');
    expect(mesh.apps[0]!.seen).toEqual([]);
  });

  it('control: the right one is served', async () => {
    expect((await attempt('right', { service: 'web' })).code).toBe(grpc.status.OK);
    expect(mesh.apps[0]!.seen).toHaveLength(1);
  });
});

describe('a callee with a wrong certificate gets no call', () => {
  const ask = async (
    request: LeafRequest,
    foreign = false,
  ): Promise<{ code: number; message: string; seen: number }> => {
    const mesh = await twoSidecars();
    try {
      const { certificates } = mesh;
      const { trustDomain } = certificates.authority;
      const authority = foreign ? await createAuthority({ trustDomain }) : certificates.authority;
      const files = await certificates.write('bad', request, authority, [certificates.authority.root]);
      const bad = await twoSidecars({ callee: { identity: { files } } });
      try {
        const caller = await mesh.addCaller('web', {
          discovery: { static: { services: { echo: [bad.callees[0]!.ports.peers] } } },
        });
        const ended = await mesh.connect('echo', { target: caller.ports.app }).call('Unary', 'm');
        return { code: ended.code, message: ended.message, seen: bad.apps[0]!.seen.length };
      } finally {
        await bad.close();
      }
    } finally {
      await mesh.close();
    }
  };

  it('another service than the one called: the message names both', async () => {
    const { code, message, seen } = await ask({ service: 'payments' });
    expect([code, seen]).toEqual([grpc.status.UNAVAILABLE, 0]);
    expect(message).toContain("its certificate is for 'payments', not for 'echo'");
  });

  it('no SPIFFE id: the message says so', async () => {
    const { code, message, seen } = await ask({ uris: [] });
    expect([code, seen]).toEqual([grpc.status.UNAVAILABLE, 0]);
    expect(message).toContain('its certificate was refused: it holds no SPIFFE id');
  });

  it('the right name in another trust domain: the message names both', async () => {
    const { code, message, seen } = await ask({ uris: ['spiffe://other.consul/ns/default/dc/dc1/svc/echo'] });
    expect([code, seen]).toEqual([grpc.status.UNAVAILABLE, 0]);
    expect(message).toContain("it is of the trust domain 'other.consul', ours is '");
  });

  it('expired: the message says so', async () => {
    const { code, message, seen } = await ask({ service: 'echo', notAfter: Date.now() - 1000 });
    expect([code, seen]).toEqual([grpc.status.UNAVAILABLE, 0]);
    expect(message).toContain('certificate has expired');
  });

  it('another authority: the message says so', async () => {
    const { code, message, seen } = await ask({ service: 'echo' }, true);
    expect([code, seen]).toEqual([grpc.status.UNAVAILABLE, 0]);
    expect(message).toMatch(/certificate/);
  });

  it('control: the right one gets it', async () => {
    expect(await ask({ service: 'echo' })).toEqual({ code: grpc.status.OK, message: 'OK', seen: 1 });
  });
});
