import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LeafRequest } from '../../../sidecar/identity/development-ca.ts';
import { openLog } from '../../../sidecar/telemetry/log.ts';
import type { EchoClient } from '../../support/echo-client.ts';
import { until } from '../../support/raw-http2.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

const methods = [
  '/interop.Echo/Unary',
  '/interop.Echo/Bidi',
  '/interop.Echo/Nothing',
  '/grpc.health.v1.Health/Check',
];
const td = 'mesh.consul';
const id = (path: string): LeafRequest => ({ uris: [`spiffe://${td}/${path}`] });

/** Who knocks, with what, and whether the one rule (`web` may, nobody else) lets them in. */
const callers: readonly (readonly [string, LeafRequest, string | null])[] = [
  ['web', id('ns/default/dc/dc1/svc/web'), null],
  ['web of another datacenter', id('ns/default/dc/dc2/svc/web'), null],
  ['web in capitals', id('ns/default/dc/dc1/svc/WEB'), 'WEB'],
  ['a longer name', id('ns/default/dc/dc1/svc/web2'), 'web2'],
  ['web of another namespace', id('ns/prod/dc/dc1/svc/web'), 'ns/prod/dc/dc1/svc/web'],
  ['web of another partition', id('ap/prod/ns/default/dc/dc1/svc/web'), 'ap/prod/ns/default/dc/dc1/svc/web'],
  ['web below another path', id('prod/web'), 'prod/web'],
  ['a service called *', id('ns/default/dc/dc1/svc/_'), '_'],
];

describe('one caller is allowed, by default nobody', () => {
  let mesh: TwoSidecars;
  const clients = new Map<string, EchoClient>();
  const lines: { event: string; caller?: string; code?: string }[] = [];
  beforeAll(async () => {
    const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
    mesh = await twoSidecars({
      log: openLog({ level: 'debug', destination }),
      callee: {
        intentions: [
          { from: 'web', allow: true },
          { from: '*', allow: false },
        ],
      },
    });
    for (const [name, request] of callers) {
      const uris = request.uris!.map((uri) => uri.replace(td, mesh.certificates.authority.trustDomain));
      const files = await mesh.certificates.write(name.replaceAll(' ', '-').replace('*', 'star'), { uris });
      const sidecar = await mesh.addCaller('web', {}, files);
      clients.set(name, mesh.connect('echo', { target: sidecar.ports.app }));
    }
  });
  afterAll(() => mesh.close());

  it.each(callers)('%s', async (name, _, refused) => {
    const client = clients.get(name)!;
    const app = mesh.apps[0]!;
    // The connection is there first: what is measured is the refusal.
    await client.raw(methods[0]!, Buffer.alloc(0));
    const before = app.seen.length;
    const begun = process.cpuUsage();
    for (let turn = 0; turn < 5; turn++)
      for (const method of methods) {
        const { code, message } = await client.raw(method, Buffer.alloc(0));
        expect([method, code === grpc.status.PERMISSION_DENIED]).toEqual([method, refused !== null]);
        if (refused !== null) expect(message).toContain(`'${refused}' may not call 'echo'`);
      }
    if (refused === null) return;
    expect(app.seen.length).toBe(before);
    // Both sidecars and a client of grpc-js live in this process: less than 5 ms of its time for each refusal.
    const { user, system } = process.cpuUsage(begun);
    expect((user + system) / 1000 / 20).toBeLessThan(5);
    expect(sumOf(mesh.callees[0]!, 'outrigger_denied_total', `caller="${refused}"`)).toBe(21);
  });

  it('a name that would write lines of its own into the log stands in one line, harmless', async () => {
    const uri = 'spiffe://evil/x\n{"level":"info","event":"all is well"}\u001b[2J\u2028';
    const files = await mesh.certificates.write('injected', { uris: [uri] });
    const sidecar = await mesh.addCaller('web', {}, files);
    const from = lines.length;
    await mesh.connect('echo', { target: sidecar.ports.app }).call('Unary', 'm');
    const told = () =>
      lines.slice(from).filter(({ event }) => event === 'a peer was refused for its certificate');
    await until(() => told().length > 0, 'the refusal');
    expect(lines.filter(({ event }) => event === 'all is well')).toEqual([]);
  });
});
