import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Pipeline } from '../../../sidecar/consul/pipeline.ts';
import { eventually } from '../../support/eventually.ts';

/** A connection that the agent took, and what came on it. */
interface Taken {
  readonly socket: Socket;
  /** What was asked for, in order. */
  readonly asked: string[];
  /** Writes that it took to ask. */
  reads: number;
}

interface Agent {
  readonly url: string;
  readonly taken: Taken[];
}

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

/** An agent that answers what `answer` says to the nth question of a connection; null: nothing. */
const agentThat = async (
  answer: (path: string, nth: number, socket: Socket) => string | null,
): Promise<Agent> => {
  const taken: Taken[] = [];
  const server: Server = createServer((socket) => {
    const one: Taken = { socket, asked: [], reads: 0 };
    taken.push(one);
    socket.on('error', () => {});
    socket.on('data', (octets) => {
      one.reads++;
      for (const [, path] of octets.toString().matchAll(/GET (\S+) HTTP/g)) {
        one.asked.push(path!);
        const said = answer(path!, one.asked.length, socket);
        if (said !== null) socket.write(said);
      }
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp.push(() => {
    for (const { socket } of taken) socket.destroy();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, taken };
};

const ok = (text: string): string => `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\n\r\n${text}`;

/** Asks, and says in one word how it went. */
const ask = (pipeline: Pipeline, path: string): { told: Promise<string>; end: (stuck: boolean) => void } => {
  let body = '';
  let end!: (stuck: boolean) => void;
  const told = new Promise<string>((settle) => {
    end = pipeline.ask(
      path,
      { 'x-consul-token': 't' },
      {
        begin: () => {},
        part: (octets) => {
          body += octets;
        },
        end: () => settle(body),
        fail: (why) => settle(`failed: ${why}`),
      },
    );
  });
  return { told, end };
};

const open = (url: string): Pipeline => {
  const pipeline = new Pipeline(url, null);
  cleanUp.push(() => pipeline.close());
  return pipeline;
};

describe('a pipeline', () => {
  it('asks forty questions in one write on one connection, and hears each answer', async () => {
    const agent = await agentThat((path) => ok(path));
    const pipeline = open(agent.url);
    const paths = Array.from({ length: 40 }, (_, at) => `/v1/${at}`);
    expect(await Promise.all(paths.map((path) => ask(pipeline, path).told))).toEqual(paths);
    expect(agent.taken).toMatchObject([{ asked: paths, reads: 1 }]);
    expect(await ask(pipeline, '/again').told).toBe('/again');
    expect(agent.taken.length).toBe(1);
  });

  it('asks again what an agent that closes after each answer did not come to', async () => {
    const agent = await agentThat((path, nth, socket) => {
      if (nth > 1) return null;
      setImmediate(() => socket.end());
      return ok(path);
    });
    const pipeline = open(agent.url);
    expect(await Promise.all(['/a', '/b', '/c'].map((path) => ask(pipeline, path).told))).toEqual([
      '/a',
      '/b',
      '/c',
    ]);
    expect(agent.taken.map(({ asked }) => asked)).toEqual([['/a', '/b', '/c'], ['/b', '/c'], ['/c']]);
  });

  it('fails them all when the agent takes connections and answers nothing', async () => {
    const agent = await agentThat((_path, _nth, socket) => {
      socket.destroy();
      return null;
    });
    const pipeline = open(agent.url);
    const told = await Promise.all(['/a', '/b'].map((path) => ask(pipeline, path).told));
    expect(told.every((word) => word.startsWith('failed: '))).toBe(true);
    expect(agent.taken.length).toBe(1);
  });

  it('fails the one whose answer is none, and asks the others again', async () => {
    const agent = await agentThat((path) => (path === '/bad' ? 'what?\r\n\r\n' : ok(path)));
    const pipeline = open(agent.url);
    const told = await Promise.all(['/a', '/bad', '/c'].map((path) => ask(pipeline, path).told));
    expect(told).toEqual(['/a', "failed: 'what?' is no status line", '/c']);
    expect(agent.taken.length).toBe(2);
  });

  it('leaves a stuck connection, and lets a dropped answer pass unheard', async () => {
    const agent = await agentThat((path, nth) => (nth > 2 ? null : ok(path)));
    const pipeline = open(agent.url);
    const first = ask(pipeline, '/first');
    const dropped = ask(pipeline, '/dropped');
    const stuck = ask(pipeline, '/stuck');
    const behind = ask(pipeline, '/behind');
    dropped.end(false);
    expect(await first.told).toBe('/first');
    await eventually(() => agent.taken[0]!.asked.length === 4);
    stuck.end(true);
    expect(await behind.told).toBe('/behind');
    expect(agent.taken.map(({ asked }) => asked)).toEqual([
      ['/first', '/dropped', '/stuck', '/behind'],
      ['/behind'],
    ]);
  });

  it('refuses an answer that nobody asked for', async () => {
    const agent = await agentThat((path) => ok(path) + ok('more'));
    const pipeline = open(agent.url);
    expect(await ask(pipeline, '/a').told).toBe('/a');
    await once(agent.taken[0]!.socket, 'close');
    expect(await ask(pipeline, '/b').told).toBe('/b');
  });

  it('fails what is under way when it is closed, and what is asked after', async () => {
    const agent = await agentThat(() => null);
    const pipeline = open(agent.url);
    const { told } = ask(pipeline, '/a');
    await eventually(() => agent.taken[0]?.asked.length === 1);
    pipeline.close();
    expect(await told).toBe('failed: closed');
    expect(await ask(pipeline, '/b').told).toBe('failed: closed');
  });
});
