/** Calls of one caller that one rule refused, or would have refused where rules are only watched. */
export interface RefusalRecord {
  readonly caller: string;
  readonly why: string;
  calls: number;
}

/** Pairs of caller and rule that are told apart; later ones count together. */
const mostRecords = 500;

/** Refusals is who was refused and why, since the start: for people, who ask before they enforce. */
export class Refusals {
  readonly #records: Map<string, RefusalRecord> = new Map();

  /** Where calls of `caller` that are refused for `why` count. */
  of(caller: string, why: string): RefusalRecord {
    const key = `${caller}\0${why}`;
    const known = this.#records.get(key);
    if (known !== undefined) return known;
    if (this.#records.size >= mostRecords && caller !== others)
      return this.of(others, 'more refusals than are told apart');
    const record = { caller, why, calls: 0 };
    this.#records.set(key, record);
    return record;
  }

  /** The most frequent first. */
  list(): readonly RefusalRecord[] {
    return [...this.#records.values()].sort((one, other) => other.calls - one.calls);
  }
}

const others = 'others';
