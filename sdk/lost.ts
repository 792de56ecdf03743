import { fileURLToPath } from 'node:url';
import type { LiveContext } from './context.ts';

/**
 * A call that was made outside of every context while calls were being served.
 *
 * @example
 * const tell = ({ method, stack }: LostContext) => console.warn(`${method} was called outside of every call`, stack);
 * const watchful = await connect({ onLostContext: tell });
 * watchful.close();
 */
export interface LostContext {
  /** `/package.Service/Method` that was called. */
  readonly method: string;
  /** Who made it, from the caller on; without the SDK's own frames. */
  readonly stack: string;
  /** How many calls were being served at that moment. */
  readonly serving: number;
}

/** Places that are reported, each once: one in a loop must not fill the log. */
const mostPlaces = 100;
/** Frames above the one that made the call. */
const mostFrames = 12;

/**
 * LostContext finds calls that should belong to a call being served, and do not: a callback of a pool, an emitter that
 * was made at start, a promise that somebody else resolves. Their deadline, correlation id and flags are lost.
 *
 * Whoever calls on nobody's behalf says so by `mesh.run`.
 */
export class LostContexts {
  readonly #hear: (lost: LostContext) => void;
  readonly #places: Set<string> = new Set();
  #serving = 0;

  constructor(hear: (lost: LostContext) => void) {
    this.#hear = hear;
  }

  /** A call begins to be served; the answer is called when it is over. */
  serving(): () => void {
    this.#serving++;
    return () => void this.#serving--;
  }

  /** A call of `method` is made. Call it in the tick in which the app makes it. */
  begun(context: LiveContext | null, method: string): void {
    if (context !== null || this.#serving === 0 || this.#places.size >= mostPlaces) return;
    const stack = stackOfApp();
    const place = `${method}\n${stack}`;
    if (this.#places.has(place)) return;
    this.#places.add(place);
    this.#hear({ method, stack, serving: this.#serving });
  }
}

/** This folder, as frames name it. */
const ours: readonly string[] = [
  new URL('.', import.meta.url).href,
  fileURLToPath(new URL('.', import.meta.url)),
];

const stackOfApp = (): string => {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = mostFrames + 8;
  const { stack = '' } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  const frames = stack.split('\n').slice(1);
  return frames
    .filter((frame) => !ours.some((folder) => frame.includes(folder)))
    .slice(0, mostFrames)
    .map((frame) => frame.trim())
    .join('\n');
};
