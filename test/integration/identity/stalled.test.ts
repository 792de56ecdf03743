import { connect, type Socket } from 'node:net';
import tls from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { until } from '../../support/raw-http2.ts';
import { sumOf, twoSidecars } from '../../support/sidecars.ts';
import { atRate, failures } from '../../support/steady-load.ts';

const perAddress = 80;
/** Loopback has as many addresses as one likes; the callers are on 127.0.0.1. */
const addresses = Array.from({ length: 10 }, (_, at) => `127.0.0.${at + 1}`);
/** The beginning of a ClientHello: a record of 512 octets, of which no more comes. */
const half = Buffer.from('160301020001', 'hex');

/** Opens sockets of every address that never finish their handshake; half of them begin it. */
const stall = async (port: number): Promise<{ open(): number; close(): void }> => {
  const open = new Set<Socket>();
  for (const localAddress of addresses)
    for (let at = 0; at < perAddress; at++) {
      const socket = connect({ port, host: '127.0.0.1', localAddress }, () => {
        if (at % 2 === 0) socket.write(half);
      });
      socket.on('error', () => {});
      socket.once('close', () => open.delete(socket));
      open.add(socket);
    }
  return {
    open: () => open.size,
    close: () => {
      for (const socket of open) socket.destroy();
    },
  };
};

/** A TLS server of Node with its defaults, that as many knock at. */
const lax = async (): Promise<{ held(): number; close(): Promise<void> }> => {
  const server = tls.createServer();
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const stalled = await stall((server.address() as { port: number }).port);
  await until(() => sockets.size === addresses.length * perAddress, 'all of them to be taken');
  return {
    held: () => sockets.size,
    close: () => {
      stalled.close();
      return new Promise((closed) => server.close(() => closed()));
    },
  };
};

describe('handshakes that stall', () => {
  it('are few, are over within five seconds, and take the place of nobody', async () => {
    const mesh = await twoSidecars();
    const port = Number(mesh.callees[0]!.ports.peers!.split(':')[1]);
    expect((await mesh.client.call('Unary', 'm')).code).toBe(grpc.status.OK);
    const load = atRate(mesh.client, 50);
    const control = await lax();
    const stalled = await stall(port);
    await until(() => stalled.open() <= 512, 'those above the limit to be closed');
    const begun = performance.now();
    // They hold every place: of all, and of the address of our callers. A second later they give them up.
    let code = grpc.status.UNAVAILABLE;
    for (let turn = 0; code !== grpc.status.OK && turn < 20; turn++) {
      const newcomer = await mesh.addCaller(`newcomer-${turn}`);
      code = (await mesh.connect('echo', { target: newcomer.ports.app }).call('Unary', 'm')).code;
      if (code !== grpc.status.OK) await new Promise((next) => setTimeout(next, 100));
    }
    expect(code).toBe(grpc.status.OK);
    expect(performance.now() - begun).toBeLessThan(3000);
    expect(stalled.open()).toBeGreaterThan(300);
    await until(() => stalled.open() === 0, 'all of them to be closed');
    await load.stop();
    expect(failures(load.codes)).toEqual([]);
    expect(
      sumOf(mesh.callees[0]!, 'outrigger_handshakes_refused_total', 'reason="unfinished"'),
    ).toBeGreaterThan(300);
    // Control: Node's own TLS server has them all still.
    expect(control.held()).toBe(addresses.length * perAddress);
    await control.close();
    await mesh.close();
  });
});
