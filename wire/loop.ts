import { Pool } from './pool.ts';

/** What a loop drives: one connection. */
export interface Driven {
  /** Hands everything written in this turn to the socket. */
  flush(): void;
  /** Looks at timers; called a few times a second. */
  tick(now: number): void;
  /** What of it may hold octets of the budget. */
  holders(): Iterable<Holder>;
}

/** Something that holds octets of the budget, and can be made to let go of them. */
export interface Holder {
  readonly queued: number;
  shed(): void;
}

/** Milliseconds from tick to tick. */
export const tickMs = 250;
/** A tick later than this follows a pause of the whole process. */
const lateMs = 1000;
/** As much as Node reads at once. */
const readBytes = 64 * 1024;
/** Four of the largest DATA frames that we send, and some small ones. */
const slabBytes = 66 * 1024;
/** A slab with less room than this is given to the garbage collector instead of the next writer. */
const slabLeft = 8 * 1024;
/** What waits is counted by its octets, so that blocks must not be much larger than what is put into one. */
const blockBytes = 4096;
const spareSlabs = 64;
const spareBlocks = 1024;

/**
 * Loop is shared by all connections of one process part: it flushes each at most once per turn of the event loop,
 * ticks their timers with one interval, lends output memory, and holds the budget of octets that wait in streams.
 */
export class Loop {
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Octets that wait in the queues of all streams. */
  held = 0;
  /** What all sockets read into, one after another. */
  readonly readBuffer: Buffer = Buffer.allocUnsafeSlow(readBytes);
  /** To write output into. */
  readonly slabs: Pool = new Pool(slabBytes, slabLeft, spareSlabs);
  /** For octets that wait. */
  readonly blocks: Pool = new Pool(blockBytes, blockBytes, spareBlocks);
  /** Octets that may wait; above it the largest holder is reset. */
  readonly heldLimit: number;
  readonly #driven: Set<Driven> = new Set();
  #dirty: Driven[] = [];
  #scheduled = false;
  #interval: NodeJS.Timeout | null = null;
  readonly #turn: () => void;
  #tickedAt = 0;
  #skipped = false;

  constructor(options: { now?: () => number; heldLimit?: number } = {}) {
    this.now = options.now ?? (() => performance.now());
    this.heldLimit = options.heldLimit ?? 128 * 1024 * 1024;
    this.#turn = () => this.#flushAll();
  }

  /** Connections that are driven now. */
  get driven(): ReadonlySet<Driven> {
    return this.#driven;
  }

  join(driven: Driven): void {
    this.#driven.add(driven);
    this.#tickedAt = this.now();
    this.#interval ??= setInterval(() => this.#tickUnlessLate(), tickMs).unref();
  }

  leave(driven: Driven): void {
    this.#driven.delete(driven);
    if (this.#driven.size > 0 || this.#interval === null) return;
    clearInterval(this.#interval);
    this.#interval = null;
  }

  /** Asks for a flush at the end of this turn. The caller asks once until it was flushed. */
  schedule(driven: Driven): void {
    this.#dirty.push(driven);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#turn);
  }

  /** Ticks every connection; by itself four times a second. */
  tick(): void {
    const now = this.now();
    for (const driven of this.#driven) driven.tick(now);
  }

  /**
   * A process that stood still finds its timers due before it has read what its peers sent in the meantime: the first
   * tick after a pause is left out, so that nobody is ended for our own absence.
   */
  #tickUnlessLate(): void {
    const late = this.now() - this.#tickedAt > lateMs && !this.#skipped;
    this.#skipped = late;
    this.#tickedAt = this.now();
    if (!late) this.tick();
  }

  /** The budget is spent: the stream that holds most of it is reset, so that the others go on. */
  relieve(): void {
    let heaviest: Holder | null = null;
    for (const driven of this.#driven)
      for (const holder of driven.holders()) if (holder.queued > (heaviest?.queued ?? 0)) heaviest = holder;
    heaviest?.shed();
  }

  #flushAll(): void {
    const dirty = this.#dirty;
    this.#dirty = [];
    this.#scheduled = false;
    let bug: unknown = null;
    for (let i = 0; i < dirty.length; i++) {
      try {
        dirty[i]!.flush();
      } catch (thrown) {
        bug ??= thrown; // the others must not wait for ever
      }
    }
    if (bug !== null) throw bug;
  }
}
