import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Sidecar } from '../../../sidecar/index.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

type Rule = { readonly from: string; readonly allow: boolean };

const callers = ['web', 'orders', 'batch'];

/** Rules of the callee, and who of the callers gets in. */
const matrix: readonly (readonly [string, readonly Rule[] | null, readonly boolean[]])[] = [
  ['no intentions: any verified caller', null, [true, true, true]],
  ['one denied', [{ from: 'web', allow: false }], [false, true, true]],
  ['all denied', [{ from: '*', allow: false }], [false, false, false]],
  [
    'all denied but one: exact before wildcard',
    [
      { from: '*', allow: false },
      { from: 'orders', allow: true },
    ],
    [false, true, false],
  ],
  [
    'all allowed but one, the wildcard first',
    [
      { from: '*', allow: true },
      { from: 'batch', allow: false },
    ],
    [true, true, false],
  ],
];

describe.each(matrix)('%s', (_, intentions, allowed) => {
  let mesh: TwoSidecars;
  const sidecars: Sidecar[] = [];
  beforeAll(async () => {
    sidecars.length = 0;
    mesh = await twoSidecars(intentions === null ? {} : { callee: { intentions } });
    sidecars.push(mesh.caller);
    for (const name of callers.slice(1)) sidecars.push(await mesh.addCaller(name));
  });
  afterAll(() => mesh.close());

  it.each(['Unary', 'Fail', 'Timeout', 'Bidi', 'Nothing'])('%s', async (method) => {
    for (const [i, sidecar] of sidecars.entries()) {
      const client = mesh.connect('echo', { target: sidecar.ports.app });
      const app = mesh.apps[0]!;
      const before = app.seen.length;
      const request = Buffer.from('{"code":5,"message":"m","details":""}');
      const { code, message, trailers } = await client.raw(`/interop.Echo/${method}`, request);
      if (allowed[i]) {
        expect(code).not.toBe(grpc.status.PERMISSION_DENIED);
        continue;
      }
      expect(code).toBe(grpc.status.PERMISSION_DENIED);
      expect(message).toContain(`outrigger echo: '${callers[i]}' may not call 'echo': the intention '`);
      expect(trailers.get('x-outrigger-reached')).toEqual(['false']);
      expect(app.seen.length).toBe(before);
    }
  });

  it('every refusal is counted by its caller, and only those', () => {
    for (const [i, caller] of callers.entries())
      expect(sumOf(mesh.callees[0]!, 'outrigger_denied_total', `caller="${caller}"`)).toBe(
        allowed[i] ? 0 : 5,
      );
  });
});

describe('whose certificate names no service of the mesh', () => {
  it('is judged by the whole id: another trust path is another caller', async () => {
    const mesh = await twoSidecars({
      callee: {
        intentions: [
          { from: 'web', allow: true },
          { from: '*', allow: false },
        ],
      },
    });
    try {
      const { trustDomain } = mesh.certificates.authority;
      const files = await mesh.certificates.write('other', { uris: [`spiffe://${trustDomain}/prod/web`] });
      const other = await mesh.addCaller('web', {}, files);
      const client = mesh.connect('echo', { target: other.ports.app });
      const { code, message } = await client.call('Unary', 'm');
      expect(code).toBe(grpc.status.PERMISSION_DENIED);
      expect(message).toContain("'prod/web' may not call 'echo'");
      expect((await mesh.client.call('Unary', 'm')).code).toBe(grpc.status.OK);
    } finally {
      await mesh.close();
    }
  });
});
