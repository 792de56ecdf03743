import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { freePort } from '../../../sidecar/cli/app.ts';

describe('a port for an app', () => {
  it('lies below those that the system hands out to connections and to listeners on port 0', async () => {
    const ports = await Promise.all(Array.from({ length: 20 }, () => freePort()));
    expect(ports.filter((port) => port < 20_000 || port >= 30_000)).toEqual([]);
  });

  it('is not one that is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    const free = await freePort();
    const picks = [port, port, free];
    expect(await freePort(() => picks.shift()!)).toBe(free);
    // With nothing else to pick, any will do.
    expect(await freePort(() => port)).not.toBe(port);
    taken.close();
  });
});
