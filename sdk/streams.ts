import type { Writable } from 'node:stream';

/** Stands for "no error", because anything can be thrown. */
export const nothing: unique symbol = Symbol('nothing');

/**
 * Writes `messages` into a call no faster than it takes them, and half-closes it. Stops when the call is over.
 * Rejects with what `messages` throws; never because of the call, which reports its own end.
 */
export const feed = async (
  call: Writable,
  messages: AsyncIterable<unknown> | Iterable<unknown>,
): Promise<void> => {
  const iterator = iterate(messages);
  let over = false;
  let wake: (() => void) | null = null;
  const end = (): void => {
    over = true;
    wake?.();
    // A source that waits for something is told that nobody does any more.
    Promise.resolve(iterator.return?.()).catch(() => {});
  };
  call.once('status', end);
  for (;;) {
    const { done, value } = await iterator.next();
    if (over) return;
    if (done) break;
    if (!call.write(value))
      await new Promise<void>((resolve) => {
        wake = resolve;
        call.once('drain', resolve);
      });
    if (over) return;
  }
  call.off('status', end);
  call.end();
};

const iterate = (
  messages: AsyncIterable<unknown> | Iterable<unknown>,
): AsyncIterator<unknown> | Iterator<unknown> =>
  Symbol.asyncIterator in messages ? messages[Symbol.asyncIterator]() : messages[Symbol.iterator]();
