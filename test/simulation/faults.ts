/**
 * What can be wrong with an instance.
 *
 * - `unavailable`: every call is answered UNAVAILABLE at once, and health says NOT_SERVING
 * - `random`: every second call, by chance, is answered UNAVAILABLE; health says SERVING
 * - `slow`: half a second more for every call; health says SERVING
 * - `hang`: calls are never answered; health neither
 * - `reset`: replies begin and are reset in their middle; health says SERVING
 * - `refuse`: no new connections; those that there are go on
 * - `dead`: the process is gone: connections break, new ones are refused
 * - `frozen`: nothing is worked on; what has come goes on afterwards from where it was
 * - `goaway`: connections take no new calls from the beginning of the time on
 */
export type Fault =
  | 'unavailable'
  | 'random'
  | 'slow'
  | 'hang'
  | 'reset'
  | 'refuse'
  | 'dead'
  | 'frozen'
  | 'goaway';

/** From and to, milliseconds since the beginning of the run; absent: from the beginning, to the end. */
export interface Span {
  readonly fromMs?: number;
  readonly toMs?: number;
}

/** What is wrong when. */
export interface Trouble {
  readonly fault: Fault;
  readonly fromMs: number;
  readonly toMs: number;
}

/** Troubles are all that is ever wrong with one instance, known from the start. */
export class Troubles {
  readonly #list: Trouble[] = [];

  add(fault: Fault, { fromMs = 0, toMs = Number.POSITIVE_INFINITY }: Span): Trouble {
    const trouble = { fault, fromMs, toMs };
    this.#list.push(trouble);
    return trouble;
  }

  /** Whether `fault` is there at `now`. */
  is(fault: Fault, now: number): boolean {
    for (const trouble of this.#list)
      if (trouble.fault === fault && now >= trouble.fromMs && now < trouble.toMs) return true;
    return false;
  }

  /** When work that begins at `from` and takes `ms` is done: while the instance is frozen nothing goes on. */
  doneAt(from: number, ms: number): number {
    let at = from + ms;
    for (const { fault, fromMs, toMs } of this.#list)
      if (fault === 'frozen' && at > fromMs && from < toMs) at += toMs - Math.max(from, fromMs);
    return at;
  }
}
