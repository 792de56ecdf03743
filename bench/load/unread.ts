import { setTimeout as pause } from 'node:timers/promises';
import { ErrorCode, type Stream, type StreamListener } from '../../wire/index.ts';
import type { Dial } from './dial.ts';
import { Fields } from './fields.ts';
import type { Tally } from './tally.ts';

/** Streams that nobody reads. */
export interface Unread {
  cancel(): void;
}

/**
 * Opens `count` server streams without end on a connection of their own and returns no stream credit, as an app does
 * that has stopped to read. Resolves when each of them has filled its window.
 */
export const leaveUnread = async (count: number, dial: Dial, tally: Tally): Promise<Unread> => {
  const connection = await dial.narrow();
  const fields = new Fields('differing', 'Flood');
  const streams: Stream[] = [];
  let stopped = false;
  const listener = (): StreamListener => ({
    headers: (_fields, _never, last) => {
      if (last) tally.fail('a stream without end has ended');
    },
    data: () => {},
    sent: () => {},
    aborted: (abort) => {
      if (!stopped) tally.fail(`an unread stream: ${abort.message}`);
    },
  });
  for (let i = 0; i < count; i++) {
    const stream = connection.open(fields.next(), null, false, listener());
    stream.end();
    streams.push(stream);
  }
  for (let tries = 0; tries < 100; tries++) {
    if (streams.every((stream) => stream.receiveWindow === 0)) break;
    await pause(20);
  }
  const short = streams.filter((stream) => stream.receiveWindow > 0).length;
  if (short > 0) tally.fail(`${short} of ${count} unread streams have not filled their window in 2 s`);
  return {
    cancel: () => {
      stopped = true;
      for (const stream of streams) stream.reset(ErrorCode.CANCEL);
      tally.cancelled += count;
    },
  };
};
