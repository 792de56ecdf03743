import { Turns } from './turns.ts';

/**
 * How many questions of one sidecar may hang at Consul at one time: an agent holds 200 connections per client
 * address, and a host has many sidecars.
 */
export const mostPolls: number = 12;
/** How many questions of watches that are answered at once are under way at one time. */
export const mostLooks: number = 4;
/** Longest that one question may hang, milliseconds: after a wipe Consul hangs for the whole of it. */
const longestWaitMs = 30_000;
/** Between two rounds of looks into the agent's cache, milliseconds; spread, so that sidecars do not look in one moment. */
const lookMs = { least: 500, most: 800 } as const;
/**
 * A name takes the place of one that was called so much earlier, milliseconds. Less, and names that are all called
 * would chase each other from place to place, each move costing both sides a connection.
 */
const fresherByMs = 10_000;

/** The right to let one question hang. */
export interface Place {
  /** How long it may hang, milliseconds. */
  readonly waitMs: number;
  /** Aborts when the watch is to stop, or has to make room for another. */
  readonly signal: AbortSignal;
}

/** One watch among those of a sidecar. */
export interface Seat {
  /** The place of this watch, now; null: others deserve it more, and the agent's cache is to be looked into. */
  hang(): Place | null;
  /** How long to pause at `now`, of the kit's clock, before the next look into the agent's cache, milliseconds. */
  lookAfterMs(now: number): number;
  /** Gives everything back. */
  leave(): void;
}

/**
 * Polls says which watches may let their questions hang. Those without which nothing works (certificates, intentions,
 * policy) have a place of their own always; the rest goes to the names that were called last. Whoever has none looks
 * into the agent's cache instead, which the agent keeps fresh by itself, over a few connections that all share.
 */
export class Polls {
  /** The turns of all questions that do not hang. */
  readonly turns: Turns;
  readonly #places: number;
  readonly #random: () => number;
  #kept = 0;
  /** When the next round of looks begins, by the kit's clock. */
  #roundAt = 0;
  readonly #holding: Set<Member> = new Set();

  constructor(random: () => number, places: number = mostPolls, looks: number = mostLooks) {
    this.#random = random;
    this.#places = places;
    this.turns = new Turns(looks);
  }

  /** Watches of names that hang now, or may. */
  get holding(): number {
    return this.#holding.size;
  }

  /**
   * Lets a watch in until `signal` aborts or it leaves. `wantedAt` says when its name was called last, in
   * milliseconds of the kit's clock; without it the watch has a place of its own.
   */
  seat(signal: AbortSignal, wantedAt?: () => number): Seat {
    const member = new Member(this, signal, wantedAt ?? null);
    if (wantedAt === undefined) {
      this.#kept++;
      while (this.#holding.size > 0 && this.#holding.size > this.#room) this.#least()!.lose();
    }
    if (signal.aborted) member.leave();
    return member;
  }

  /** Whether `member` may hang; the one that was called the longest ago makes room for it. */
  grant(member: Member): boolean {
    if (member.wantedAt === null || this.#holding.has(member)) return true;
    if (this.#holding.size >= this.#room) {
      const least = this.#least();
      if (least === null || member.wantedAt() - least.wantedAt!() < fresherByMs) return false;
      least.lose();
    }
    this.#holding.add(member);
    return true;
  }

  /** Takes back what `member` holds; `isOver`: for good. */
  release(member: Member, isOver: boolean): void {
    this.#holding.delete(member);
    if (isOver && member.wantedAt === null) this.#kept--;
  }

  waitMs(): number {
    // Spread, so that watches that began together do not come back together.
    return Math.floor(longestWaitMs * (0.8 + 0.2 * this.#random()));
  }

  /**
   * All watches look in one round: forty looks in a row wake the process, and the agent, a few times only, where forty
   * looks that are spread wake both eighty times. The turns keep a round from being a burst.
   */
  lookAfterMs(now: number): number {
    if (now >= this.#roundAt)
      this.#roundAt = now + Math.floor(lookMs.least + (lookMs.most - lookMs.least) * this.#random());
    return this.#roundAt - now;
  }

  get #room(): number {
    return Math.max(0, this.#places - this.#kept);
  }

  #least(): Member | null {
    let least: Member | null = null;
    for (const member of this.#holding)
      if (least === null || member.wantedAt!() < least.wantedAt!()) least = member;
    return least;
  }
}

/** A watch that was let in. */
class Member implements Seat {
  readonly wantedAt: (() => number) | null;
  readonly #polls: Polls;
  readonly #signal: AbortSignal;
  readonly #leave = (): void => this.leave();
  #room: AbortController | null = null;
  #left = false;

  constructor(polls: Polls, signal: AbortSignal, wantedAt: (() => number) | null) {
    this.#polls = polls;
    this.#signal = signal;
    this.wantedAt = wantedAt;
    signal.addEventListener('abort', this.#leave, { once: true });
  }

  hang(): Place | null {
    if (this.#left || !this.#polls.grant(this)) return null;
    this.#room ??= new AbortController();
    return { waitMs: this.#polls.waitMs(), signal: this.#room.signal };
  }

  lookAfterMs(now: number): number {
    return this.#polls.lookAfterMs(now);
  }

  /** Makes room for another. */
  lose(): void {
    this.#polls.release(this, false);
    this.#end();
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#signal.removeEventListener('abort', this.#leave);
    this.#polls.release(this, true);
    this.#end();
  }

  #end(): void {
    this.#room?.abort();
    this.#room = null;
  }
}
