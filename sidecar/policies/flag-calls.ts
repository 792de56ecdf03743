import { flagPrefix } from '../core/baggage-members.ts';
import type { Call } from '../core/call.ts';
import type { FlagSet } from '../core/flag-set.ts';
import type { Witness } from '../core/life.ts';
import type { Count, Meter } from '../core/meter.ts';
import { Code, type Status } from '../core/status.ts';
import { answerIn } from './flag-members.ts';

/** Pairs of flag and variant that are counted by name; later ones share `other`. */
const mostPairs = 100;
/** Texts whose pairs are remembered. */
const mostTexts = 256;

const outcomes = ['ok', 'failed', 'cancelled'] as const;

/** Counts calls by the answers that they carried, of flags that are defined. */
export class FlagCalls {
  readonly #meter: Meter;
  readonly #pairs: Map<string, Pair> = new Map();
  #set: FlagSet | null = null;
  #byText: Map<string, readonly Pair[]> = new Map();

  constructor(meter: Meter) {
    this.#meter = meter;
  }

  /** Registers with the call who counts its end; null: it carries no answer of `set`. */
  watch(call: Call, set: FlagSet, text: string): Witness | null {
    const pairs = this.#pairsIn(set, text);
    if (pairs.length === 0) return null;
    const watching = new Watching(pairs);
    call.life.witness(watching);
    return watching;
  }

  #pairsIn(set: FlagSet, text: string): readonly Pair[] {
    if (set !== this.#set) {
      this.#set = set;
      this.#byText = new Map();
    }
    let pairs = this.#byText.get(text);
    if (pairs === undefined) {
      pairs = text.split(',').flatMap((member) => this.#pairOf(set, member) ?? []);
      if (this.#byText.size >= mostTexts) this.#byText.clear();
      this.#byText.set(text, pairs);
    }
    return pairs;
  }

  #pairOf({ variants }: FlagSet, member: string): Pair | null {
    if (!member.startsWith(flagPrefix)) return null;
    const [flag, said] = answerIn(member) ?? ['', ''];
    const known = variants.get(flag);
    if (known === undefined) return null;
    // What an app writes may be anything.
    const variant = known.includes(said) ? said : 'other';
    const key = `${flag}=${variant}`;
    const pair = this.#pairs.get(key);
    if (pair !== undefined) return pair;
    const isFull = this.#pairs.size >= mostPairs;
    const made = isFull ? this.#other() : new Pair(this.#meter, flag, variant);
    if (!isFull) this.#pairs.set(key, made);
    return made;
  }

  #other(): Pair {
    let other = this.#pairs.get('');
    if (other === undefined) this.#pairs.set('', (other = new Pair(this.#meter, 'other', 'other')));
    return other;
  }
}

/** The cells of one flag and variant, each made with the first call that ended so. */
class Pair {
  readonly #meter: Meter;
  readonly #flag: string;
  readonly #variant: string;
  readonly #ends: (Count | undefined)[] = [undefined, undefined, undefined];

  constructor(meter: Meter, flag: string, variant: string) {
    this.#meter = meter;
    this.#flag = flag;
    this.#variant = variant;
  }

  ended(outcome: 0 | 1 | 2): void {
    const count = (this.#ends[outcome] ??= this.#meter.count(
      'outrigger_flag_calls_total',
      this.#flag,
      this.#variant,
      outcomes[outcome],
    ));
    count.value++;
  }
}

/** One call until it is over. */
class Watching implements Witness {
  earlier: Witness | null = null;
  readonly #pairs: readonly Pair[];

  constructor(pairs: readonly Pair[]) {
    this.#pairs = pairs;
  }

  over({ code }: Status): void {
    const outcome = code === Code.OK ? 0 : code === Code.CANCELLED ? 2 : 1;
    for (const pair of this.#pairs) pair.ended(outcome);
  }
}
