import { flagMark, flagPrefix, membersOf } from '../sidecar/core/baggage-members.ts';

const yes: ReadonlySet<string> = new Set(['on', 'true', 'yes', 'enabled']);
const no: ReadonlySet<string> = new Set(['off', 'false', 'no', 'disabled']);

/**
 * Flags are the answers that one call tree has been given, flag to variant. They were decided once, at its edge, so
 * that every service on the way sees the same.
 *
 * @example
 * mesh.run({ baggage: 'ff.express=on' }, () => {
 *   const flags: Flags = mesh.context()!.flags;
 *   console.log(flags.boolean('express', false), flags.string('theme', 'plain'));
 * });
 */
export class Flags implements Iterable<[flag: string, variant: string]> {
  /** Of the definitions that decided; empty where nobody says. */
  readonly version: string;
  readonly #variants: ReadonlyMap<string, string>;

  constructor(variants: ReadonlyMap<string, string>, version = '') {
    this.#variants = variants;
    this.version = version;
  }

  /** The variant of a flag; undefined when nobody decided it. */
  variant(flag: string): string | undefined {
    return this.#variants.get(flag);
  }

  /** True for the variants on, true, yes and enabled; false for their opposites; else `otherwise`. */
  boolean(flag: string, otherwise: boolean): boolean {
    const variant = this.#variants.get(flag)?.toLowerCase() ?? '';
    return yes.has(variant) || (otherwise && !no.has(variant));
  }

  /** The variant's name; `otherwise` when nobody decided the flag. */
  string(flag: string, otherwise: string): string {
    return this.#variants.get(flag) ?? otherwise;
  }

  /** The variant's name as a number; `otherwise` when it is none. */
  number(flag: string, otherwise: number): number {
    const variant = this.#variants.get(flag)?.trim() ?? '';
    const number = Number(variant);
    return variant === '' || !Number.isFinite(number) ? otherwise : number;
  }

  get size(): number {
    return this.#variants.size;
  }

  [Symbol.iterator](): IterableIterator<[flag: string, variant: string]> {
    return this.#variants[Symbol.iterator]();
  }
}

/**
 * The flags that baggage carries: `ff.express=on` is `express` to `on`. What cannot be read is passed over; of a flag
 * that comes twice the first counts, as the first hop decides.
 *
 * Ref: W3C Baggage, 2024, section 3.3.
 */
export const flagsOf = (baggage: string): Flags => {
  const variants = new Map<string, string>();
  if (!baggage.includes(flagPrefix) && !baggage.includes(flagMark)) return none;
  let version = '';
  for (const [name, value] of membersOf(baggage)) {
    if (name === flagMark) version ||= value.split('.', 1)[0]!;
    if (!name.startsWith(flagPrefix)) continue;
    const flag = decoded(name.slice(flagPrefix.length));
    const variant = decoded(value);
    if (flag !== null && variant !== null && !variants.has(flag)) variants.set(flag, variant);
  }
  return new Flags(variants, version);
};

const none = new Flags(new Map());

const decoded = (text: string): string | null => {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
};
