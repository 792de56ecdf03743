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
}

/** Answers a query, at once or when its reading is newer than `?index`. Ref: Consul API, "Blocking Queries". */
export type Query = (ask: Ask, blocks: Blocks) => Promise<Answer>;

/** The name of the only datacenter that there is. */
export const datacenter = 'dc1';

/** Makes the one way in which every read of the catalog, KV and so on is answered. */
export const blockingQuery =
  (ledger: Ledger, time: Time): Query =>
  async (ask, blocks) => {
    const { index, waitMs } = blockingOf(ask.search);
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
        return withIndex(reading);
      }
      const why = await wait.over(until);
      if (why === 'gone') throw new Refusal(500, 'the development agent is closing');
      if (why === 'late') return withIndex(await blocks.read());
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

const withIndex = ({ index, ...answer }: Reading): Answer => ({
  ...answer,
  headers: {
    'X-Consul-Index': String(Math.max(1, index)),
    'X-Consul-Knownleader': 'true',
    'X-Consul-Lastcontact': '0',
    ...answer.headers,
  },
});
