import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type Metadata, status } from '@grpc/grpc-js';
import { type Answers, EchoClient, type Ended } from '../support/echo-client.ts';

/** When to stop: after so many rounds, or once so many milliseconds are over. */
export type Until = { readonly rounds: number } | { readonly ms: number };

/**
 * The client of `python/client.py` and `go/client.go` for grpc-js: one line for each round, which depends on the seed
 * alone. Throws when octets come back as others.
 */
export const playNode = async (
  target: string,
  authority: string,
  seed: number,
  until: Until,
  streams: number,
): Promise<string[]> => {
  const client = new EchoClient(target, { 'grpc.default_authority': authority });
  const lines: string[] = [];
  const dice = new Dice(seed);
  const end = 'ms' in until ? performance.now() + until.ms : Number.POSITIVE_INFINITY;
  const most = 'rounds' in until ? until.rounds : Number.POSITIVE_INFINITY;
  try {
    while (lines.length < most && performance.now() < end)
      lines.push(JSON.stringify(await round(client, dice, streams)));
  } finally {
    client.close();
  }
  return lines;
};

/** Chance that can be had again (mulberry32). */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 to `most`. */
  roll(most: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % (most + 1);
  }

  octets(size: number): Buffer {
    const made = Buffer.alloc(size);
    for (let i = 0; i < size; i += 4) made.writeUIntBE(this.roll(0xfffffffe) >>> 0, i, Math.min(4, size - i));
    return made;
  }

  metadata(): [string, string | Buffer][] {
    return Array.from({ length: this.roll(4) }, (_, i) => [
      `x-echo-${i}-bin`,
      this.octets(4 * this.roll(30)),
    ]);
  }
}

const sha = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');

const pairs = (metadata: Metadata): unknown[] =>
  Object.keys(metadata.getMap())
    .filter((key) => key.startsWith('x-') || key.startsWith('grpc-status-details'))
    .filter((key) => key !== 'x-request-id')
    .sort()
    .map((key) => [key, metadata.get(key).map((value) => Buffer.from(value).toString('hex'))]);

const endOf = ({ code, message, trailers }: Ended): unknown[] => [code, message, pairs(trailers)];

const round = async (client: EchoClient, dice: Dice, streams: number): Promise<unknown> => {
  const seen: unknown[] = [];
  for (const size of [0, 4, 128, 5000, 65_536, 70_000, 4 * 1024 * 1024]) {
    const octets = dice.octets(size);
    const call = await client.call('Unary', octets, { metadata: dice.metadata() });
    if (!call.answer?.equals(octets)) throw new Error(`${size} octets came back as others: ${call.message}`);
    seen.push([pairs(call.headers), endOf(call)]);
  }
  const messages = Array.from({ length: dice.roll(60) }, () => dice.octets(4 * dice.roll(700)));
  const sum = await client.collect(messages, { metadata: dice.metadata() });
  seen.push([JSON.parse(String(sum.answer)).sha256 === sha(Buffer.concat(messages)), endOf(sum)]);
  const repeated = client.repeat(dice.roll(80), dice.roll(9000));
  const ended = await repeated.ended;
  seen.push([repeated.messages.length, sha(Buffer.concat(repeated.messages)), endOf(ended)]);
  for (const message of ['plain', 'nö such % thing: 100 %', '発見できません 🛶', '']) {
    const asked = {
      code: 1 + dice.roll(15),
      message,
      details: dice.octets(4 + 4 * dice.roll(10)).toString('hex'),
    };
    seen.push(endOf(await client.call('Fail', asked)));
  }
  const early = client.bidi({}, 'Early');
  early.call.write(Buffer.from('first'));
  seen.push(endOf(await early.ended));
  seen.push(await cancelled(client), await expired(client));
  seen.push(await interleaved(client, dice, streams));
  return seen;
};

const cancelled = async (client: EchoClient): Promise<unknown> => {
  const stream = client.bidi();
  stream.call.write(Buffer.from('more'));
  await once(stream.call, 'data');
  stream.call.cancel();
  return (await stream.ended).code;
};

const expired = async (client: EchoClient): Promise<unknown> => {
  const stream = client.bidi({ deadlineMs: 100 });
  const { code } = await stream.ended;
  // A server of Go resets the stream at its own deadline, which may be a moment before ours.
  return code === status.CANCELLED ? status.DEADLINE_EXCEEDED : code;
};

/** Streams at once, their messages among one another, each half-closed at a moment of its own. */
const interleaved = async (client: EchoClient, dice: Dice, count: number): Promise<unknown> => {
  const open: Answers[] = Array.from({ length: count }, () => client.bidi({ metadata: dice.metadata() }));
  const sent: Buffer[][] = open.map(() => []);
  const going = open.map((_, i) => i);
  while (going.length > 0) {
    const at = dice.roll(going.length - 1);
    const i = going[at]!;
    if (dice.roll(9) === 0) {
      open[i]!.call.end();
      going.splice(at, 1);
      continue;
    }
    const message = dice.octets(4 * dice.roll(170));
    sent[i]!.push(message);
    open[i]!.call.write(message);
  }
  const ends = await Promise.all(open.map(({ ended }) => ended));
  return open.map(({ messages }, i) => {
    const back = sha(Buffer.concat(messages));
    if (back !== sha(Buffer.concat(sent[i]!))) throw new Error(`stream ${i}: other octets came back`);
    return [messages.length, back, endOf(ends[i]!)];
  });
};
