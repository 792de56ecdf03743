import { createServer, type Server, type Socket } from 'node:net';
import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { type Hop, mostOf, readLedger } from '../../../sidecar/core/ledger-text.ts';
import { type Chain, chain, type Stop } from '../../support/chain-mesh.ts';
import type { Answer } from '../../support/echo-client.ts';
import { eventually } from '../../support/eventually.ts';

/** Told to sidecars alone, so that the client's library does not end the call before they do. */
const within = (timeout: string) => ({ metadata: [['grpc-timeout', timeout]] as const });

/** Runs `story` on a chain whose connections are warm. */
const onChain = async (stops: readonly Stop[], story: (mesh: Chain) => Promise<void>): Promise<void> => {
  const mesh = await chain(stops);
  try {
    await mesh.client.call('Unary', 'warm', within('300m'));
    await story(mesh);
  } finally {
    await mesh.close();
  }
};

const ledgerOf = ({ trailers }: Answer): readonly Hop[] => {
  const [text] = trailers.get('x-outrigger-ledger');
  return text === undefined ? [] : (readLedger(String(text)) ?? []);
};

/** Calls until every sidecar on the way has had time to speak: on a busy machine timers are later than the reserve is long. */
const untilTold = async ({ client }: Chain, hops: number, timeout: string): Promise<Answer> => {
  for (let tries = 1; ; tries++) {
    const answer = await client.call('Unary', 'm', within(timeout));
    if (ledgerOf(answer).length >= hops || tries === 10) return answer;
  }
};

const who = (answer: Answer): string => mostOf(ledgerOf(answer)).replace(/: \d+ of \d+ ms$/, '');

/** Takes connections, and never says a word of TLS. */
const silentPort = async (): Promise<{ readonly at: string; close(): void }> => {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    at: `127.0.0.1:${(server.address() as { port: number }).port}`,
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
};

describe('where the time of a call went, over three hops', () => {
  it('is the app of hop 2, when that sleeps', () =>
    onChain([{}, { sleepMs: 5000 }, {}], async (mesh) => {
      const answer = await untilTold(mesh, 4, '500m');
      expect(answer.code).toBe(grpc.status.DEADLINE_EXCEEDED);
      expect(who(answer)).toBe("the app of 'hop2'");
      const told = ledgerOf(answer).map(({ from, to }) => (to === '' ? from : `${from}>${to}`));
      expect(told).toEqual(['hop2', 'hop1>hop2', 'hop1', 'web>hop1']);
    }));

  it('is the dial of hop 3, when that hangs', async () => {
    const port = await silentPort();
    try {
      await onChain([{}, { next: [port.at] }], async (mesh) => {
        const answer = await untilTold(mesh, 5, '500m');
        expect(answer.code).toBe(grpc.status.DEADLINE_EXCEEDED);
        expect(who(answer)).toBe("connecting from 'hop2' to 'hop3'");
      });
    } finally {
      port.close();
    }
  });

  it('is the wait between attempts at hop 3, when nobody listens there', async () => {
    const port = await silentPort();
    port.close();
    await onChain([{}, { next: [port.at] }], async ({ client }) => {
      const answer = await client.call('Unary', 'm', within('800m'));
      expect(answer.code).toBe(grpc.status.UNAVAILABLE);
      expect(who(answer)).toBe("waiting between attempts from 'hop2' to 'hop3'");
    });
  });

  it('is said of a call that went well when it took more than half of its time, and of no other', () =>
    onChain([{}, { answers: true, sleepMs: 1200 }], async ({ client }) => {
      const slow = await client.call('Unary', 'm', within('2S'));
      expect([slow.code, who(slow)]).toEqual([grpc.status.OK, "the app of 'hop2'"]);
      const quick = await client.call('Unary', 'm', within('10S'));
      expect([quick.code, ledgerOf(quick)]).toEqual([grpc.status.OK, []]);
    }));
});

describe('a budget of 300 ms over four hops', () => {
  const wait = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms));
  const latest = ({ visits }: Chain) => visits.map((each) => each.at(-1)!);

  it('is less at every hop', () =>
    onChain([{}, {}, {}, {}], async (mesh) => {
      const before = mesh.visits[3]!.length;
      while (mesh.visits[3]!.length === before) await mesh.client.call('Unary', 'm', within('300m'));
      const left = latest(mesh).map(({ leftMs }) => leftMs);
      expect(left).toHaveLength(4);
      for (const [at, ms] of left.entries()) expect(ms).toBeLessThan(at === 0 ? 300 : left[at - 1]!);
    }));

  it('is given back at every hop when the call is cancelled, long before it is used up', () =>
    onChain([{}, {}, {}, {}], async (mesh) => {
      const before = mesh.visits[3]!.length;
      const { call, ended } = mesh.client.begin('Unary', 'm', within('30S'));
      while (mesh.visits[3]!.length === before) await wait(5);
      call.cancel();
      expect((await ended).code).toBe(grpc.status.CANCELLED);
      await eventually(() => latest(mesh).every(({ stoppedAt }) => stoppedAt !== null), 'four hops to stop');
    }));

  it('control: without deadlines no hop knows of it, and all work on', async () => {
    const mesh = await chain([{}, {}, {}, {}], ['deadline']);
    try {
      const { call, ended } = mesh.client.begin('Unary', 'm', within('300m'));
      await eventually(() => mesh.visits.every(({ length }) => length > 0), 'the call at all hops');
      await wait(600);
      expect(latest(mesh).map(({ leftMs, stoppedAt }) => [leftMs, stoppedAt])).toEqual(
        Array(4).fill([Number.POSITIVE_INFINITY, null]),
      );
      call.cancel();
      await ended;
    } finally {
      await mesh.close();
    }
  });
});
