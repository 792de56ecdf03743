import { setMaxListeners } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import type { AnswerBody } from '../../../sidecar/consul/answer-body.ts';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { ConsulError } from '../../../sidecar/consul/errors.ts';
import { AnswerReader, type ReaderOptions } from '../../../sidecar/consul/reader.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';
import { instance, json, scriptedAgent } from './scripted-agent.ts';

const place = 'Consul at http://agent: GET /v1/health/connect/inventory';
const { signal } = new AbortController();
setMaxListeners(0, signal);
const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

const open = (options: Partial<ReaderOptions> = {}): { reader: AnswerReader; kit: StillKit } => {
  const kit = stillKit();
  const reader = new AnswerReader({ kit, ...options });
  cleanUp.push(() => {
    reader.close();
    expect(kit.wheel.size).toBe(0);
  });
  return { reader, kit };
};

const body = (text: string): AnswerBody => {
  const whole = new Uint8Array(Buffer.from(text));
  const half = whole.length >> 1;
  return { length: whole.length, text, octets: whole, parts: [whole.slice(0, half), whole.slice(half)] };
};
/** Instances in so many bytes of JSON, the last of them white space. */
const sized = (bytes: number): AnswerBody =>
  body(JSON.stringify([instance('10.0.0.1', 15002), instance('10.0.0.2', 15002)]).padEnd(bytes));
const large = (): AnswerBody => sized(256 * 1024);
/** A thread that does what the words say. */
const thread = (words: string): URL =>
  new URL(
    `data:text/javascript,import { parentPort, threadId } from 'node:worker_threads'; ${encodeURIComponent(words)}`,
  );
/** A thread that answers its own number. */
const numbered = thread(
  "parentPort.on('message', ({ id }) => parentPort.postMessage({ id, json: String(threadId) }))",
);

const apart = ({ meter }: StillKit): number =>
  meter.count('outrigger_consul_large_answers_total', 'connect').value;
const failure = async (asked: Promise<unknown>): Promise<ConsulError> => {
  const thrown = await asked.then(
    () => null,
    (error) => error,
  );
  expect(thrown).toBeInstanceOf(ConsulError);
  return thrown;
};

describe('answers of Consul', () => {
  it.each([
    [256 * 1024 - 1, 0],
    [256 * 1024, 1],
  ])('of %i bytes: %i are read in the thread, and come to the same', async (bytes, count) => {
    const { reader, kit } = open();
    const entries = await reader.read('connect', sized(bytes), place, signal);
    expect(entries.map(({ Service }) => Service.Address)).toEqual(['10.0.0.1', '10.0.0.2']);
    expect(Object.keys(entries[0]!)).toEqual(['Node', 'Service']);
    expect(apart(kit)).toBe(count);
  });

  it('that are large go to the thread from the door, and only those', async () => {
    const kit = stillKit();
    const agent = await scriptedAgent((request, response) =>
      json(
        response,
        Array.from({ length: request.path.endsWith('many') ? 2000 : 10 }, (_, at) =>
          instance(`10.0.${at >> 8}.${at & 255}`, 15002),
        ),
      ),
    );
    const door = openConsul({ url: agent.url }, kit);
    cleanUp.push(
      () => agent.close(),
      () => door.close(),
    );
    expect((await door.connect('few', { signal })).value).toHaveLength(10);
    expect(apart(kit)).toBe(0);
    const { value, index } = await door.connect('many', { signal });
    expect([value.length, value[1999]!.Service.Address, index]).toEqual([2000, '10.0.7.207', 10n]);
    expect(apart(kit)).toBe(1);
  });

  it('are all read on the loop without the bound (control)', async () => {
    const { reader, kit } = open({ apartFrom: Number.POSITIVE_INFINITY });
    expect(await reader.read('connect', large(), place, signal)).toHaveLength(2);
    expect(apart(kit)).toBe(0);
  });

  it.each([
    ['no JSON', `<html>login${'.'.repeat(100)}`, /inventory: the answer is not JSON: '<html>login/],
    ['another shape', '[{"Node": 1}]', /inventory: 0\.Node: /],
  ])('that are %s are called so, by the thread as on the loop', async (_, text, message) => {
    const { reader, kit } = open();
    const errors = [
      await failure(reader.read('connect', body(text), place, signal)),
      await failure(reader.read('connect', body(text.padEnd(300_000)), place, signal)),
    ];
    expect(errors.map((error) => error.failure)).toEqual(['garbage', 'garbage']);
    expect(errors[0]!.message).toMatch(message);
    expect(errors[1]!.message).toBe(errors[0]!.message);
    expect(apart(kit)).toBe(1);
  });
});

describe('the thread that reads large answers', () => {
  it('is one for all, and another once it was idle for a minute', async () => {
    const { reader, kit } = open({ thread: numbered });
    const read = (): Promise<unknown> => reader.read('connect', large(), place, signal);
    const [first, second] = await Promise.all([read(), read()]);
    expect(second).toBe(first);
    kit.pass(59_000);
    expect(await read()).toBe(first);
    kit.pass(61_000);
    expect(kit.wheel.size).toBe(0);
    expect(await read()).not.toBe(first);
  });

  it.each([
    ['ends', 'process.exit(3)', 'it ended with 3'],
    ['throws', "parentPort.on('message', () => { throw new Error('no more memory') })", 'no more memory'],
    ['cannot be loaded', 'import "node:nothing"', 'No such built-in module: node:nothing'],
  ])('fails those that wait when it %s, and says why', async (_, words, why) => {
    const { reader } = open({ thread: thread(words) });
    const errors = await Promise.all([
      failure(reader.read('connect', large(), place, signal)),
      failure(reader.read('connect', large(), place, signal)),
    ]);
    for (const error of errors) {
      expect(error.failure).toBe('unread');
      expect(error.message).toBe(
        `${place}: the thread that reads large answers failed: ${why}; it is asked again`,
      );
    }
    // The next answer is tried with a thread of its own.
    expect((await failure(reader.read('connect', large(), place, signal))).message).toContain(why);
  });

  it('has 10 s for an answer', async () => {
    const { reader, kit } = open({ thread: thread('setInterval(() => {}, 1e6)') });
    const silent = failure(reader.read('connect', large(), place, signal));
    kit.pass(10_000);
    const error = await silent;
    expect(error.failure).toBe('unread');
    expect(error.message).toContain('an answer of 262144 bytes was not read within 10000 ms');
  });

  it('takes no more than 32 MiB at a time', async () => {
    const { reader } = open({ thread: thread('setInterval(() => {}, 1e6)') });
    const text = ' '.repeat(8 * 1024 * 1024);
    const taken = Array.from({ length: 4 }, () => failure(reader.read('connect', body(text), place, signal)));
    const refused = await failure(reader.read('connect', large(), place, signal));
    expect(refused.failure).toBe('unread');
    expect(refused.message).toBe(
      `${place}: 33554432 bytes of large answers wait to be read already; it is asked again`,
    );
    reader.close();
    expect((await Promise.all(taken)).map((error) => error.failure)).toEqual(Array(4).fill('stopped'));
  });

  it('is not waited for by whoever was stopped', async () => {
    const { reader, kit } = open({ thread: thread('setInterval(() => {}, 1e6)') });
    const stop = new AbortController();
    const stopped = failure(reader.read('connect', large(), place, stop.signal));
    stop.abort();
    expect((await stopped).message).toBe(`${place}: stopped`);
    reader.close();
    expect((await failure(reader.read('connect', large(), place, signal))).failure).toBe('stopped');
    expect(kit.wheel.size).toBe(0);
  });
});
