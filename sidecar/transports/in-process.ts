import {
  type Abort,
  ErrorCode,
  type Loop,
  type Opener,
  type StreamEnd,
  type StreamListener,
} from '../../wire/index.ts';
import { type EndHome, InProcessEnd, nobody } from './in-process-end.ts';
import type { Turns } from './turns.ts';

/** Answers who hears of a stream that was opened. */
export type Accept = (stream: StreamEnd, fields: readonly string[]) => StreamListener;

/** What all streams of one carrier share. */
export interface Memory {
  readonly turns: Turns;
  readonly loop: Pick<Loop, 'now' | 'blocks'>;
}

/** InProcess carries streams between two parts of this process: fields and octets pass as they are, without frames. */
export class InProcess implements EndHome, Opener {
  readonly loop: Pick<Loop, 'now' | 'blocks'>;
  readonly turns: Turns;
  readonly #accept: Accept;
  readonly #open: Set<InProcessEnd> = new Set();

  constructor({ turns, loop }: Memory, accept: Accept) {
    this.turns = turns;
    this.loop = loop;
    this.#accept = accept;
  }

  /** Something comes whenever it is asked: there is no socket that could be read late. */
  get readAt(): number {
    return this.loop.now();
  }

  open(
    fields: readonly string[],
    _never: readonly string[] | null,
    last: boolean,
    listener: StreamListener,
  ): StreamEnd {
    const openedAt = this.loop.now();
    const near = new InProcessEnd(this, listener, openedAt, true);
    const far = new InProcessEnd(this, nobody, openedAt, false);
    near.other = far;
    far.other = near;
    this.#open.add(near);
    far.arrive({ what: 'opened', fields });
    if (last) near.end();
    return near;
  }

  /** Breaks off every stream, as when a socket is lost. */
  break(reason: string): void {
    const abort: Abort = { code: ErrorCode.CANCEL, by: 'connection', reached: true, message: reason };
    for (const near of [...this.#open]) near.break(abort);
  }

  // What follows is for ends.

  accept(stream: InProcessEnd, fields: readonly string[]): StreamListener {
    return this.#accept(stream, fields);
  }

  closed(stream: InProcessEnd): void {
    this.#open.delete(stream);
  }
}
