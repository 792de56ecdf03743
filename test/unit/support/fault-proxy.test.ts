import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FaultProxy, faultProxy } from '../../support/fault-proxy.ts';

let server: Server;
let proxy: FaultProxy;
const sockets: Socket[] = [];
/** What the server's end was told, connection by connection. */
const ends: string[] = [];

beforeEach(async () => {
  server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', (error: NodeJS.ErrnoException) => ends.push(error.code ?? ''));
    socket.on('end', () => ends.push('end'));
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  proxy = await faultProxy(`127.0.0.1:${(server.address() as { port: number }).port}`, () => 0.5);
});

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  ends.length = 0;
  await proxy.close();
  await new Promise((closed) => server.close(closed));
});

const dial = async (): Promise<Socket> => {
  const socket = connect(Number(proxy.address.split(':')[1]), '127.0.0.1');
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
};

/** Sends `text` and reads as many octets; answers them, how long it took, and in how many pieces they came. */
const echo = async (socket: Socket, text: string): Promise<{ came: string; ms: number; pieces: number }> => {
  const begin = performance.now();
  let came = '';
  let pieces = 0;
  socket.write(text);
  for await (const [chunk] of on(socket)) {
    came += String(chunk);
    pieces++;
    if (came.length >= text.length) break;
  }
  return { came, ms: performance.now() - begin, pieces };
};

async function* on(socket: Socket): AsyncGenerator<[Buffer]> {
  for (;;) yield (await once(socket, 'data')) as [Buffer];
}

describe('the fault proxy', () => {
  it('passes everything on as it is when nothing is wrong, ends included', async () => {
    const socket = await dial();
    const text = 'abc'.repeat(100_000);
    let came = '';
    socket.on('data', (chunk) => (came += String(chunk)));
    socket.end(text);
    await once(socket, 'end');
    expect(came === text).toBe(true);
    expect(ends).toEqual(['end']);
    expect(proxy.opened).toBe(1);
  });

  it('makes pieces late, in both directions', async () => {
    proxy.delayMs = 50;
    const { came, ms } = await echo(await dial(), 'hello');
    expect(came).toBe('hello');
    expect(ms).toBeGreaterThan(95);
    expect(ms).toBeLessThan(400);
  });

  it('keeps the order under jitter', async () => {
    await proxy.close();
    let turn = 0;
    proxy = await faultProxy(`127.0.0.1:${(server.address() as { port: number }).port}`, () => turn++ % 2);
    proxy.delayMs = 10;
    proxy.jitterMs = 10;
    const socket = await dial();
    let came = '';
    socket.on('data', (chunk) => (came += String(chunk)));
    for (let i = 0; i < 20; i++) {
      socket.write(`${i} `);
      await pause(2);
    }
    const all = Array.from({ length: 20 }, (_, i) => `${i} `).join('');
    while (came.length < all.length) await pause(5);
    expect(came).toBe(all);
  });

  it('lets through only so many octets a second', async () => {
    proxy.bytesPerSecond = 100_000;
    const { ms } = await echo(await dial(), 'x'.repeat(20_000)); // 200 ms there, the last of it back
    expect(ms).toBeGreaterThan(190);
    expect(ms).toBeLessThan(1200);
  });

  it('cuts into slices, each of which arrives by itself', async () => {
    const whole = await echo(await dial(), 'abcdefgh');
    proxy.sliceBytes = 1;
    const sliced = await echo(await dial(), 'abcdefgh');
    expect(sliced.came).toBe('abcdefgh');
    expect(whole.pieces).toBe(1);
    expect(sliced.pieces).toBeGreaterThan(3);
  });

  it('cuts by RST on both sides, and takes new connections', async () => {
    const socket = await dial();
    await echo(socket, 'x');
    const gone = new Promise((closed) => socket.once('close', closed));
    let code = '';
    socket.on('error', (error: NodeJS.ErrnoException) => (code = error.code ?? ''));
    proxy.cut();
    await gone;
    while (ends.length === 0) await pause(1);
    expect([code, ...ends]).toEqual(['ECONNRESET', 'ECONNRESET']);
    expect(proxy.open).toBe(0);
    expect((await echo(await dial(), 'y')).came).toBe('y');
  });

  it('half-open: nothing passes, no end either, sockets stay; healed: all of it goes on', async () => {
    const socket = await dial();
    await echo(socket, 'x');
    let came = '';
    socket.on('data', (chunk) => (came += String(chunk)));
    proxy.halfOpen();
    socket.write('held');
    const other = await dial();
    other.write('nowhere');
    other.end();
    await pause(100);
    expect(came).toBe('');
    expect(ends).toEqual([]);
    expect(proxy.open).toBe(2);
    expect(socket.destroyed).toBe(false);
    proxy.heal();
    while (came.length < 4) await pause(1);
    expect(came).toBe('held');
  });

  it('refuses new connections, and keeps those that there are', async () => {
    const socket = await dial();
    await echo(socket, 'x');
    proxy.refuse();
    await expect(dial()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect((await echo(socket, 'y')).came).toBe('y');
    await proxy.accept();
    expect((await echo(await dial(), 'z')).came).toBe('z');
  });
});
