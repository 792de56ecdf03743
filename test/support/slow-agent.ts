import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An agent that is slow with some of its answers. */
export interface SlowAgent {
  readonly url: string;
  close(): Promise<void>;
}

/** Stands before the agent at `url`, and keeps each request back for as many milliseconds as `delayMs` says of it. */
export const slowAgent = async (url: string, delayMs: (asked: URL) => number): Promise<SlowAgent> => {
  const timers = new Set<NodeJS.Timeout>();
  const server = createServer((from, to) => {
    const asked = new URL(from.url!, url);
    const pass = (): void => {
      const { method = 'GET', headers } = from;
      const on = request(asked, { method, headers }, (answer) => {
        to.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(to);
      });
      on.on('error', () => to.destroy());
      to.on('close', () => on.destroy());
      from.pipe(on);
    };
    const timer = setTimeout(() => {
      timers.delete(timer);
      pass();
    }, delayMs(asked));
    timers.add(timer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      for (const timer of timers) clearTimeout(timer);
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
};
