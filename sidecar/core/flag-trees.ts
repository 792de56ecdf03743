import type { Clock } from './kit.ts';

/** Call trees of one generation, and the characters that they carry: baggage may have 8 KiB. */
const mostTrees = 4096;
const mostCharacters = 4 * 1024 * 1024;
/** A generation is given up after so many milliseconds at the latest, so that ids that are used for ever get new answers. */
const longestMs = 60_000;

/**
 * FlagTrees remembers what flags call trees carry that have come through this sidecar, by correlation id: all apps pass that
 * on, fewer their baggage. The way in writes it, or the way out where the tree begins; the way out reads it.
 *
 * Two generations, so that forgetting costs nothing: an entry lives for one to two minutes, less where there are many.
 */
export class FlagTrees {
  readonly #clock: Clock;
  #young: Map<string, string> = new Map();
  #old: Map<string, string> = new Map();
  #since = 0;
  #characters = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The tree carries `flags`, as baggage says them. */
  note(id: string, flags: string): void {
    this.#age();
    if (this.#young.size >= mostTrees || this.#characters >= mostCharacters) this.#turn();
    this.#characters += flags.length;
    this.#young.set(id, flags);
  }

  /** What the tree carries; undefined: it is not known here. */
  of(id: string): string | undefined {
    if (this.#young.size === 0 && this.#old.size === 0) return undefined;
    this.#age();
    return this.#young.get(id) ?? this.#old.get(id);
  }

  #age(): void {
    const ageMs = this.#clock.now() - this.#since;
    if (ageMs < longestMs) return;
    this.#turn();
    if (ageMs >= 2 * longestMs) this.#old = new Map();
  }

  #turn(): void {
    this.#old = this.#young;
    this.#young = new Map();
    this.#characters = 0;
    this.#since = this.#clock.now();
  }
}
