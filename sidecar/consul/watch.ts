import { isDeepStrictEqual } from 'node:util';
import type { Kit } from '../core/kit.ts';
import { backoffMs } from './backoff.ts';
import { Bucket } from './bucket.ts';
import type { Answer, Question } from './door.ts';
import { ConsulError, reasonOf } from './errors.ts';
import type { Losses } from './losses.ts';
import { pause } from './pause.ts';
import type { Polls, Seat } from './polls.ts';

/** What is watched, and who hears of it. */
export interface WatchOptions<T> {
  /** The kind of question, for metrics: `connect`, `intentions`, `roots`, `leaf`. */
  readonly kind: string;
  /** What is asked about, for the log: a service's name. */
  readonly about: string;
  readonly ask: (question: Question) => Promise<Answer<T>>;
  /** Hears the first value and every one that differs from the value before. */
  readonly hear: (value: T) => void;
  /** Hears why there is no answer, and null when answers come again. */
  readonly trouble?: (error: ConsulError | null) => void;
  /** What a list has lost. Given, a list is not believed empty at the first word, nor shorter after a failure. */
  readonly losses?: (held: T, value: T) => Losses;
  /** `stale` for what Consul's servers hold; `default` for what the agent itself makes, as certificates. */
  readonly mode: 'stale' | 'default';
  readonly polls: Polls;
  /**
   * When what is watched was called last, milliseconds of the kit's clock: names called last hang at Consul, the
   * others are looked up in the agent's cache. Absent: this watch hangs always.
   */
  readonly wantedAt?: (() => number) | undefined;
  readonly kit: Kit;
  readonly signal: AbortSignal;
  /** The bound on questions; a test takes it away to see that it is needed. */
  readonly bucket?: Pick<Bucket, 'take' | 'judge'>;
}

/** Longest pause after failures, milliseconds: an agent that is back is found within it. */
const longestBackoffMs = 5000;
/** A stale answer older than this is asked for again of the leader, once. As consul-template. */
const oldestContactMs = 2000;
/** How long after an emptied list it is asked for again, milliseconds. */
const confirmAfterMs = 500;
/**
 * The same when the emptied list is doubtful: Consul failed or its index went back since the last good list, as
 * when its state was wiped. Agents push their services again once a minute; without this hold every service of
 * the mesh would vanish until then.
 */
const doubtfulHoldMs = 120_000;
/** The same for a list that is merely shorter: twice the time in which sidecars register again with a lost agent. */
const doubtfulPartMs = 10_000;
/**
 * For how long after the first good list of an agent that was away the next losses are doubtful still, milliseconds:
 * servers may hear only then that it was gone, and empty its services for a moment though it is back. Not so where
 * they had no leader: what they say once they have one holds.
 */
const settleMs = 10_000;
/** Between the questions of a hold, milliseconds. */
const holdStepMs = 2000;

/**
 * Watches one thing in Consul by blocking queries until `signal` aborts. Settles then; never rejects.
 *
 * - what fails keeps the value before; pauses grow from 250 ms to 5 s, with jitter;
 * - after a failure, and when the index goes back, the next question carries no index: one with an index from the
 *   future would hang for its whole wait;
 * - a token bucket bounds the questions, whatever the index does;
 * - a watch without a place to hang looks into the agent's cache every 0.5 to 0.8 s, and hangs as soon as it may;
 * - only what differs is told on: an index that moves is no promise of a change;
 * - a list that becomes empty is told on only after a consistent read has said so too, and after a failure or an
 *   index that went back, and for 10 s after an agent that was away is back, every loss is held for a while, because
 *   whoever is missing may be on the way back.
 *
 * Ref: "Blocking Queries" of Consul's API pages.
 */
export const watch = <T>(options: WatchOptions<T>): Promise<void> => new Watch(options).run();

class Watch<T> {
  readonly #options: WatchOptions<T>;
  readonly #bucket: Pick<Bucket, 'take' | 'judge'>;
  readonly #seat: Seat;
  /** What was read last, so that the same octets are not read again. */
  readonly #seen: NonNullable<Question['seen']> = new Map();
  #held: { readonly value: T } | null = null;
  #index: bigint | undefined;
  #failures = 0;
  #said = '';
  /** Consul failed, or its index went back, since the last good list. */
  #doubtful = false;
  /** Until when losses are doubtful though the last list was good, of the kit's clock; Infinity while the agent is away. */
  #settledAt = Number.NEGATIVE_INFINITY;
  /** The losses that are not believed yet: since when, and for how long, in milliseconds. */
  #hold: { readonly since: number; readonly forMs: number } | null = null;

  constructor(options: WatchOptions<T>) {
    this.#options = options;
    this.#bucket = options.bucket ?? new Bucket(options.kit.clock);
    this.#seat = options.polls.seat(options.signal, options.wantedAt);
  }

  async run(): Promise<void> {
    const { kit, signal } = this.#options;
    while (!signal.aborted) {
      try {
        if (this.#hold !== null) await this.#confirm(this.#hold);
        else await this.#step();
        if (!signal.aborted) this.#recovered();
      } catch (thrown) {
        if (signal.aborted) break;
        this.#failed(thrown);
        await pause(kit, backoffMs(this.#failures, longestBackoffMs, kit.random), signal);
      }
    }
  }

  async #step(): Promise<void> {
    const index = this.#index;
    if (index !== undefined && this.#seat.hang() === null) return this.#look();
    const { kit, signal, mode } = this.#options;
    const wait = this.#bucket.take();
    if (wait > 0) await pause(kit, wait, signal);
    if (signal.aborted) return;
    const answer = index === undefined ? await this.#ask({ signal, mode }) : await this.#hang(index);
    if (answer === null || signal.aborted) return;
    this.#bucket.judge(this.#hear(answer));
    if (mode !== 'stale' || answer.lastContactMs <= oldestContactMs || this.#hold !== null) return;
    // The stale answer stands already: when there is no leader, this question fails, and that is all.
    const fresh = await this.#ask({ signal, mode: 'consistent' }).catch(() => null);
    if (fresh !== null && !signal.aborted) this.#accept(fresh);
  }

  /** Hangs at Consul; null when this watch had to make room for another or is to stop. */
  async #hang(index: bigint): Promise<Answer<T> | null> {
    const { mode, ask } = this.#options;
    const place = this.#seat.hang();
    if (place === null) return null;
    try {
      return await ask({ signal: place.signal, mode, index, waitMs: place.waitMs });
    } catch (thrown) {
      if (place.signal.aborted) return null;
      throw thrown;
    }
  }

  /** Looks into the agent's cache, which the agent itself keeps fresh. */
  async #look(): Promise<void> {
    const { kit, signal, mode } = this.#options;
    await pause(kit, this.#seat.lookAfterMs(kit.clock.now()), signal);
    if (signal.aborted) return;
    const answer = await this.#options.ask({ signal, mode, cached: true, seen: this.#seen });
    if (!signal.aborted) this.#hear(answer);
  }

  /** Asks for an answer at once, when the turn has come; null when this watch is to stop. */
  #ask(question: Question): Promise<Answer<T> | null> {
    const { signal, polls, ask, wantedAt } = this.#options;
    // A call may wait for a first answer.
    const urgent = this.#held === null || wantedAt === undefined;
    return polls.turns.take(signal, urgent, () => ask(question));
  }

  /** Asks the leader whether what is missing is gone. */
  async #confirm({ since, forMs }: { since: number; forMs: number }): Promise<void> {
    const { kit, signal } = this.#options;
    await pause(kit, Math.min(forMs, holdStepMs), signal);
    if (signal.aborted) return;
    const answer = await this.#ask({ signal, mode: 'consistent' });
    if (answer === null || signal.aborted) return;
    const needed = this.#holdMs(answer.value);
    if (needed > 0 && (!answer.knownLeader || kit.clock.now() - since < needed)) {
      this.#hold = { since, forMs: needed };
      return;
    }
    this.#index = answer.index ?? undefined;
    this.#hold = null;
    this.#take(answer.value);
  }

  /** Goes on from the index of an answer, and accepts it. True when it brought news. */
  #hear(answer: Answer<T>): boolean {
    if (answer.index !== null && this.#index !== undefined && answer.index < this.#index) {
      this.#doubtful = true;
      this.#index = undefined;
    } else this.#index = answer.index ?? undefined;
    return this.#accept(answer);
  }

  /** Takes an answer, or holds it when something is missing all of a sudden. True when it brought news. */
  #accept(answer: Answer<T>): boolean {
    const { kit, kind, about, mode } = this.#options;
    // What the agent makes itself comes from its cache, which never knows a leader.
    const asksServers = mode === 'stale' && answer.cachedForMs === undefined;
    if (asksServers) kit.meter.count('outrigger_consul_stale', kind).value = answer.knownLeader ? 0 : 1;
    const lost = (answer.cachedForMs ?? 0) > oldestContactMs;
    if (lost || (asksServers && !answer.knownLeader)) this.#doubtful = true;
    if (kit.clock.now() < this.#settledAt && this.#losses(answer.value) !== 'none') this.#doubtful = true;
    const forMs = this.#holdMs(answer.value);
    if (forMs === 0) return this.#take(answer.value);
    this.#hold = { since: kit.clock.now(), forMs };
    kit.meter.count('outrigger_consul_held_total', kind).value++;
    kit.log.info(
      { question: kind, about, forMs },
      'Consul lost entries; they are held until a consistent read confirms the loss',
    );
    return true;
  }

  /** How long the losses in `value` must have lasted before they are believed, milliseconds; 0 when there are none. */
  #holdMs(value: T): number {
    const lost = this.#losses(value);
    if (lost === 'all') return this.#doubtful ? doubtfulHoldMs : confirmAfterMs;
    return lost === 'some' && this.#doubtful ? doubtfulPartMs : 0;
  }

  #losses(value: T): Losses {
    const { losses } = this.#options;
    return losses === undefined || this.#held === null ? 'none' : losses(this.#held.value, value);
  }

  #take(value: T): boolean {
    if (this.#settledAt === Number.POSITIVE_INFINITY)
      this.#settledAt = this.#options.kit.clock.now() + settleMs;
    this.#doubtful = false;
    if (this.#held !== null && isDeepStrictEqual(this.#held.value, value)) return false;
    this.#options.hear(value);
    this.#held = { value };
    return true;
  }

  #failed(thrown: unknown): void {
    const { kit, kind, about, trouble } = this.#options;
    const error = thrown instanceof ConsulError ? thrown : new ConsulError('garbage', reasonOf(thrown));
    this.#failures++;
    this.#doubtful = true;
    if (error.failure === 'refused') this.#settledAt = Number.POSITIVE_INFINITY;
    this.#index = undefined;
    kit.meter.count('outrigger_consul_failures_total', kind, error.failure).value++;
    // Once per cause: an agent that is down for an hour shall not fill the log.
    if (this.#said !== error.message) {
      this.#said = error.message;
      kit.log.warn(
        { question: kind, about, cause: error.message },
        'Consul does not answer; what is known holds',
      );
    }
    trouble?.(error);
  }

  #recovered(): void {
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#said = '';
    const { kit, kind, about, trouble } = this.#options;
    kit.log.info({ question: kind, about }, 'Consul answers again');
    trouble?.(null);
  }
}
