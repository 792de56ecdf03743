import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

describe('a client names its service in one of several ways', () => {
  let mesh: TwoSidecars;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'outrigger-naming-'));
    mesh = await twoSidecars({ caller: { upstreams: { echo: `unix:${directory}/echo.sock` } } });
  });
  afterAll(async () => {
    await mesh.close();
    await rm(directory, { recursive: true });
  });

  it('by the port that it dials, for clients that can set neither', async () => {
    const client = mesh.connect(undefined, { target: `unix:${directory}/echo.sock` });
    expect((await client.call('Unary', 'm')).code).toBe(grpc.status.OK);
    // Whatever such a client says as authority.
    const other = mesh.connect('nobody', { target: `unix:${directory}/echo.sock` });
    expect((await other.call('Unary', 'm')).code).toBe(grpc.status.OK);
  });

  it('by the authority, in all its forms', async () => {
    for (const authority of ['echo', 'echo.mesh', 'echo:50051', 'echo.mesh:443'])
      expect([authority, (await mesh.connect(authority).call('Unary', 'm')).code]).toEqual([
        authority,
        grpc.status.OK,
      ]);
  });

  it('by metadata, which wins over the authority and does not cross', async () => {
    const client = mesh.connect('somebody-else');
    const metadata = [['x-outrigger-service', 'echo']] as const;
    expect((await client.call('Unary', 'm', { metadata })).code).toBe(grpc.status.OK);
    expect(mesh.apps[0]!.seen.at(-1)!.metadata.get('x-outrigger-service')).toEqual([]);
  });

  it('a client that forgot the authority is told how to set it', async () => {
    const { code, message, trailers } = await mesh.connect().call('Unary', 'm');
    expect(code).toBe(grpc.status.INVALID_ARGUMENT);
    expect(message).toContain(
      `outrigger web: :authority is '${mesh.caller.ports.app}', which names no service`,
    );
    expect(message).toContain('grpc.default_authority');
    expect(message).toContain('WithAuthority in Go');
    expect(trailers.get('x-request-id')[0]).toMatch(/^[0-9a-f]{32}$/);
    expect(trailers.get('x-outrigger-reached')).toEqual(['false']);
  });

  it('a name that nobody has seen is answered with the name, what was asked, and near names', async () => {
    const { code, message } = await mesh.connect('ecko').call('Unary', 'm');
    expect(code).toBe(grpc.status.UNAVAILABLE);
    expect(message).toContain("outrigger web: no service 'ecko' has been seen");
    expect(message).toContain("no 'ecko' under discovery.static.services");
    expect(message).toContain('known names near it: echo');
    expect(sumOf(mesh.caller, 'outrigger_unrouted_total', 'reason="unknown"')).toBe(1);
  });

  it('a service with an empty list says that it has no instance', async () => {
    const other = await twoSidecars({
      caller: { discovery: { static: { services: { empty: [] } } } },
    });
    try {
      const { code, message } = await other.connect('empty').call('Unary', 'm');
      expect(code).toBe(grpc.status.UNAVAILABLE);
      expect(message).toContain("'empty'");
      expect(message).toContain('list no instance');
    } finally {
      await other.close();
    }
  });
});

describe('paths that are not exactly /package.Service/Method never reach the app', () => {
  let mesh: TwoSidecars;
  beforeAll(async () => {
    mesh = await twoSidecars();
  });
  afterAll(() => mesh.close());

  const games = [
    '//interop.Echo/Unary',
    '/interop.Echo//Unary',
    '/interop.Echo/../interop.Echo/Unary',
    '/interop.Echo/Unary/',
    '/interop.Echo/Unary?x=1',
    '/interop.Echo/Unary#x',
    '/interop.Echo/Unary;x',
    '/interop.Echo%2fUnary',
    '/interop.Echo/%55nary',
    '/interop.Echo/Un\\u0061ry',
    '/interop.Echo',
    '/interop.Echo/',
    '/',
    `/interop.Echo/${'U'.repeat(8192)}`,
    '/interop.Echo/Unary ',
  ];

  it.each(games.map((path) => [path.slice(0, 40), path]))('%s', async (_, path) => {
    const before = mesh.apps[0]!.seen.length;
    const ended = await mesh.client.raw(path);
    expect(ended.code).not.toBe(grpc.status.OK);
    expect(mesh.apps[0]!.seen.length).toBe(before);
    // What the engine itself finds malformed is reset; the rest is told what a path must be.
    if (ended.code === grpc.status.UNIMPLEMENTED)
      expect(ended.message).toContain('exactly /package.Service/Method');
    else expect(ended.code).toBe(grpc.status.INTERNAL);
  });

  it('another case is another method, for the app to refuse', async () => {
    const ended = await mesh.client.raw('/interop.Echo/unary');
    expect(ended.code).toBe(grpc.status.UNIMPLEMENTED);
    expect(ended.trailers.get('x-outrigger-reached')).toEqual([]);
  });

  it('control: the exact path reaches it', async () => {
    expect((await mesh.client.raw('/interop.Echo/Unary')).code).toBe(grpc.status.OK);
  });

  it.each(['echo/x', 'user@echo', 'echo:port', 'echo:1:2', 'echo%2e', '[echo]', 'e cho', 'echo:123456'])(
    'the authority %s names nobody',
    async (authority) => {
      const before = mesh.apps[0]!.seen.length;
      const ended = await mesh.connect(authority).call('Unary', 'm');
      expect([grpc.status.INVALID_ARGUMENT, grpc.status.INTERNAL]).toContain(ended.code);
      expect(mesh.apps[0]!.seen.length).toBe(before);
    },
  );
});

describe('sockets of other kinds', () => {
  it('an app behind a unix socket, and its caller on another', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'outrigger-sockets-'));
    const mesh = await twoSidecars({
      app: () => `unix:${directory}/echo.sock`,
      caller: { listen: { app: `unix:${directory}/web.sock` } },
    });
    try {
      expect(mesh.caller.ports.app).toMatch(/^unix:/);
      const { code, answer } = await mesh.client.call('Unary', 'by socket');
      expect([code, String(answer)]).toEqual([grpc.status.OK, 'by socket']);
    } finally {
      await mesh.close();
      await rm(directory, { recursive: true });
    }
  });

  it('peers and clients over IPv6', async () => {
    const mesh = await twoSidecars({
      callee: { listen: { peers: '[::1]:0' } },
      caller: { listen: { app: '[::1]:0', admin: '[::1]:0' } },
    });
    try {
      expect(mesh.callees[0]!.ports.peers).toMatch(/^\[::1\]:\d+$/);
      const { code, answer } = await mesh.client.call('Unary', 'six');
      expect([code, String(answer)]).toEqual([grpc.status.OK, 'six']);
      expect(mesh.caller.endpoints()[0]!.address).toBe(mesh.callees[0]!.ports.peers);
      expect((await fetch(`http://${mesh.caller.ports.admin}/ready`)).status).toBe(200);
    } finally {
      await mesh.close();
    }
  });

  it('a peer by its hostname', async () => {
    const mesh = await twoSidecars({ secure: true });
    try {
      const port = mesh.callees[0]!.ports.peers!.split(':')[1]!;
      const caller = await mesh.addCaller('orders', {
        discovery: { static: { services: { echo: [`localhost:${port}`] } } },
      });
      const client = mesh.connect('echo', { target: caller.ports.app });
      expect((await client.call('Unary', 'm')).code).toBe(grpc.status.OK);
    } finally {
      await mesh.close();
    }
  });
});
