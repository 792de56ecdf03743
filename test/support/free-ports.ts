import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ports that systems hand out by themselves (32,768 and up on Linux, 49,152 elsewhere): whoever binds
 * port 0 meanwhile cannot be given one of ours.
 */
const lowest = 20_000;
const highest = 31_999;

const isFree = async (port: number): Promise<boolean> => {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch {
    return false;
  }
  await once(server.close(), 'close');
  return true;
};

/** Ports of 127.0.0.1 that nobody holds now and that nobody is given by chance; all different. */
export const freePorts = async (count: number): Promise<number[]> => {
  const found = new Set<number>();
  while (found.size < count) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest + 1));
    if (await isFree(port)) found.add(port);
  }
  return [...found];
};
