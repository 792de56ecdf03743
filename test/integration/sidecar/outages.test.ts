import { connect, createServer, type Server, type Socket } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { startEcho } from '../../support/echo.ts';
import type { EchoClient } from '../../support/echo-client.ts';
import { until } from '../../support/raw-http2.ts';
import { sumOf, type TwoSidecars, type TwoSidecarsOptions, twoSidecars } from '../../support/sidecars.ts';

/** A TCP relay in front of a peers port, whose every socket can be destroyed as when a host dies. */
interface Line {
  readonly address: string;
  cut(): void;
  close(): void;
}

const lineTo = async (target: string): Promise<Line> => {
  const sockets = new Set<Socket>();
  const server: Server = createServer((near) => {
    const far = connect(Number(target.split(':')[1]), '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { address: `127.0.0.1:${(server.address() as { port: number }).port}`, cut, close: cut };
};

let open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.reverse()) await each.close();
  open = [];
});

const start = async (options: TwoSidecarsOptions): Promise<TwoSidecars> => {
  const mesh = await twoSidecars(options);
  open.push(mesh);
  return mesh;
};

/** So many calls, so many at a time; the codes that were not OK. */
const load = async (client: EchoClient, calls: number, atOnce = 8): Promise<number[]> => {
  const bad: number[] = [];
  let left = calls;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const { code } = await client.call('Unary', 'm');
      if (code !== grpc.status.OK) bad.push(code);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return bad;
};

describe('an app that is not there', () => {
  it('alone: UNAVAILABLE names the address, who says so, and that nothing was reached', async () => {
    const mesh = await start({});
    const { port } = mesh.apps[0]!;
    mesh.apps[0]!.close();
    const { code, message, trailers } = await mesh.client.call('Unary', 'm');
    expect(code).toBe(grpc.status.UNAVAILABLE);
    expect(message).toContain(`outrigger echo: cannot reach 127.0.0.1:${port} of 'echo'`);
    expect(message).toContain('nobody listens there (ECONNREFUSED)');
    expect(trailers.get('x-outrigger-reached')).toEqual(['false']);
  });

  it("beside another instance: the other one serves, though the dead app's sidecar lives", async () => {
    const mesh = await start({ instances: 2, caller: { balance: 'round-robin' } });
    mesh.apps[0]!.close();
    expect(await load(mesh.client, 60)).toEqual([]);
    expect(sumOf(mesh.caller, 'outrigger_retries_total')).toBeGreaterThan(0);
    expect(mesh.apps[1]!.seen).toHaveLength(60);
  });

  it('control: without retry the same calls fail', async () => {
    const mesh = await start({ instances: 2, caller: { balance: 'round-robin' }, sabotage: ['retry'] });
    mesh.apps[0]!.close();
    const bad = await load(mesh.client, 60);
    expect(bad.length).toBeGreaterThan(0);
    expect(new Set(bad)).toEqual(new Set([grpc.status.UNAVAILABLE]));
  });

  it('that comes back is called again', async () => {
    const mesh = await start({});
    await mesh.client.call('Unary', 'm');
    mesh.apps[0]!.close();
    expect((await mesh.client.call('Unary', 'm')).code).toBe(grpc.status.UNAVAILABLE);
    const again = await startEcho(`127.0.0.1:${mesh.apps[0]!.port}`);
    open.push(again);
    let code = -1;
    const end = Date.now() + 8000;
    while (code !== grpc.status.OK && Date.now() < end) ({ code } = await mesh.client.call('Unary', 'm'));
    expect(code).toBe(grpc.status.OK);
  });
});

describe('an instance that dies with its sidecar', () => {
  it('calls go on at the other one; only those in flight there may fail', async () => {
    const mesh = await start({ instances: 2 });
    const lines = await Promise.all(mesh.callees.map(({ ports }) => lineTo(ports.peers!)));
    open.push(...lines);
    const caller = await mesh.addCaller('orders', {
      balance: 'round-robin',
      discovery: { static: { services: { echo: lines.map(({ address }) => address) } } },
    });
    const client = mesh.connect('echo', { target: caller.ports.app });
    expect(await load(client, 40)).toEqual([]);
    const holds = Array.from({ length: 4 }, (_, i) => client.begin('Slow', `hold-${i}`));
    await until(() => mesh.apps.every(({ seen }) => seen.some(({ path }) => path.endsWith('Slow'))), 'holds');
    const running = load(client, 200);
    lines[0]!.cut();
    const bad = await running;
    expect(bad.length).toBeLessThanOrEqual(8);
    expect(await load(client, 100)).toEqual([]);
    const dead = caller.endpoints().find(({ address }) => address === lines[0]!.address)!;
    expect(dead.available).toBe(false);
    expect(sumOf(caller, 'outrigger_links_lost_total')).toBe(1);
    // Two were in flight at the dead one, and were told at once; the others are still held.
    for (const { call } of holds) call.cancel();
    const codes = (await Promise.all(holds.map(({ ended }) => ended))).map(({ code }) => code);
    expect(codes.filter((code) => code === grpc.status.UNAVAILABLE)).toHaveLength(2);
    expect(codes.filter((code) => code === grpc.status.CANCELLED)).toHaveLength(2);
  });
});

describe('an instance that answers UNAVAILABLE to everything', () => {
  const bad = async (
    sabotage: TwoSidecarsOptions['sabotage'] = [],
  ): Promise<{ failures: number; late: number; gates: string[] }> => {
    const mesh = await start({ instances: 3, caller: { balance: 'round-robin' }, sabotage });
    expect(await load(mesh.client, 30)).toEqual([]);
    mesh.apps[0]!.failing = grpc.status.UNAVAILABLE;
    const failures = (await load(mesh.client, 200, 1)).length;
    const late = (await load(mesh.client, 100, 1)).length;
    return {
      failures,
      late,
      gates: mesh.caller
        .endpoints()
        .map(({ gate }) => gate)
        .sort(),
    };
  };

  it('costs at most five failures, then none', async () => {
    const { failures, ...rest } = await bad();
    expect(failures).toBeGreaterThan(0);
    expect(failures).toBeLessThanOrEqual(5); // fewer where they soon are a fifth of its calls
    expect(rest).toEqual({ late: 0, gates: ['open', 'open', 'shut'] });
  });

  it('control: without the gate it costs a third of all calls', async () => {
    const { failures, late } = await bad(['eject']);
    expect(failures).toBeGreaterThan(50);
    expect(late).toBeGreaterThan(25);
  });

  it('the last instance is never shut: its errors reach the caller, where no breaker is wanted', async () => {
    const mesh = await start({ caller: { policies: { echo: { breaker: { mode: 'off' } } } } });
    mesh.apps[0]!.failing = grpc.status.UNAVAILABLE;
    const codes = await load(mesh.client, 20, 1);
    expect(codes).toEqual(Array(20).fill(grpc.status.UNAVAILABLE));
    expect(mesh.apps[0]!.failed).toBe(20);
    mesh.apps[0]!.failing = null;
    expect(await load(mesh.client, 5, 1)).toEqual([]);
  });

  it('is none of the mesh when a caller sends what is too large: no instance is blamed', async () => {
    const mesh = await start({ instances: 2, caller: { limits: { message: '1KiB' } } });
    const codes: unknown[] = [];
    for (let i = 0; i < 12; i++) {
      const { code } = await mesh.client.call('Unary', 'm'.repeat(4096));
      codes.push(code);
    }
    expect(codes).toEqual(Array(12).fill(grpc.status.RESOURCE_EXHAUSTED));
    expect(mesh.caller.endpoints().map(({ gate }) => gate)).toEqual(['open', 'open']);
  });
});
