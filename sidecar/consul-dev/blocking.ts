import { type Answer, type Ask, blockingOf } from './ask.ts';
import type { Ledger } from './ledger.ts';
import { failed, Refusal } from './refusal.ts';
import type { Time } from './time.ts';

/** What a query sees, and the write that it saw last. */
interface Reading extends Answer {
  readonly index: number;
}

/** What makes a query wait. */
interface Blocks {
  /** Reads afresh at each turn. */
  read(): Reading | Promise<Reading>;
  /** Whether a write to the topic may change the reading. */
  concerns(topic: string): boolean;
  /** The kind of answer, where an agent keeps it for `?cached`; absent: the word means nothing here. */
  readonly kept?: string;
}

/** Answers a query, at once or when its reading is newer than `?index`. Ref: Consul API, "Blocking Queries". */
export type Query = (ask: Ask, blocks: Blocks) => Promise<Answer>;

/** The name of the only datacenter that there is. */
export const datacenter = 'dc1';

/** Makes the one way in which every read of the catalog, KV and so on is answered. */
export const blockingQuery =
  (ledger: Ledger, time: Time, cache: Keeping = agentCache()): Query =>
  async (ask, blocks) => {
    const { index, waitMs } = blockingOf(ask.search);
    const keeping = blocks.kept === undefined ? {} : cache(blocks.kept, ask);
    const dc = ask.search.get('dc');
    if (dc !== null && dc !== '' && dc !== datacenter) throw failed('No path to datacenter');
    // Up to a sixteenth more, so that many clients do not come back in one moment.
    const until = time.now() + waitMs * (1 + time.random() / 16);
    let gone = false;
    let end = (): void => {};
    ask.onGone(() => {
      gone = true;
      end();
    });
    for (;;) {
      // Waiting begins before reading: a write between the two is not lost.
      const wait = ledger.wait(blocks.concerns);
      end = wait.end;
      const reading = await settled(blocks, wait.end);
      if (index === 0 || reading.index > index || gone) {
        wait.end();
        return withIndex(reading, keeping);
      }
      const why = await wait.over(until);
      if (why === 'gone') throw new Refusal(500, 'the development agent is closing');
      if (why === 'late') return withIndex(await blocks.read(), keeping);
    }
  };

/** Reads; a reading that fails leaves no waiter behind. */
const settled = async (blocks: Blocks, end: () => void): Promise<Reading> => {
  try {
    return await blocks.read();
  } catch (error) {
    end();
    throw error;
  }
};

/** What an agent says of its cache in answer to a question. */
type Keeping = (kind: string, ask: Ask) => Readonly<Record<string, string>>;

/** Questions that are remembered as asked before. */
const mostKept = 4096;

/**
 * What a real agent says when it answers from what it keeps: MISS the first time, HIT and its age afterwards. Here the
 * catalog itself is in memory, so that what is kept is never old.
 */
const agentCache = (): Keeping => {
  const kept = new Set<string>();
  return (kind, { search, parts }) => {
    if (!search.has('cached')) return {};
    const question = [...search].filter(([word]) => !['cached', 'stale', 'index', 'wait'].includes(word));
    const key = JSON.stringify([kind, parts, question]);
    if (kept.has(key)) return { 'X-Cache': 'HIT', Age: '0' };
    if (kept.size < mostKept) kept.add(key);
    return { 'X-Cache': 'MISS' };
  };
};

const withIndex = ({ index, ...answer }: Reading, more: Readonly<Record<string, string>>): Answer => ({
  ...answer,
  headers: {
    ...more,
    'X-Consul-Index': String(Math.max(1, index)),
    'X-Consul-Knownleader': 'true',
    'X-Consul-Lastcontact': '0',
    ...answer.headers,
  },
});
