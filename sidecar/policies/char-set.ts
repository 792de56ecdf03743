/** Characters that one place of a pattern takes: a flag for each of ASCII, and one for all beyond. */
export interface CharSet {
  readonly ascii: Uint8Array;
  readonly beyond: boolean;
}

/** A set that is being put together. */
export class CharSetBuilder {
  readonly #ascii: Uint8Array = new Uint8Array(128);
  #beyond = false;

  /** Adds the characters from `first` to `last`, as codes below 128. */
  range(first: number, last: number): this {
    this.#ascii.fill(1, first, last + 1);
    return this;
  }

  /** Adds another set. */
  all({ ascii, beyond }: CharSet): this {
    for (let code = 0; code < 128; code++) if (ascii[code] === 1) this.#ascii[code] = 1;
    this.#beyond ||= beyond;
    return this;
  }

  /** Adds each letter's other case. */
  foldCase(): this {
    for (let upper = 65; upper <= 90; upper++) {
      const lower = upper + 32;
      const has = this.#ascii[upper] === 1 || this.#ascii[lower] === 1 ? 1 : 0;
      this.#ascii[upper] = has;
      this.#ascii[lower] = has;
    }
    return this;
  }

  set(): CharSet {
    return { ascii: this.#ascii, beyond: this.#beyond };
  }
}

/** Everything that `set` does not have. */
export const negated = ({ ascii, beyond }: CharSet): CharSet => ({
  ascii: ascii.map((has) => 1 - has),
  beyond: !beyond,
});

/** The set of the ranges in `text`: pairs of characters, as `azAZ`. */
const of = (text: string): CharSet => {
  const builder = new CharSetBuilder();
  for (let at = 0; at < text.length; at += 2) builder.range(text.charCodeAt(at), text.charCodeAt(at + 1));
  return builder.set();
};

const digits = of('09');
const words = of('09azAZ__');
const blanks = of('\t\n\f\r  ');

/** What `\d` and its like mean: ASCII alone, as in RE2. */
export const escapedSets: ReadonlyMap<string, CharSet> = new Map([
  ['d', digits],
  ['D', negated(digits)],
  ['w', words],
  ['W', negated(words)],
  ['s', blanks],
  ['S', negated(blanks)],
]);

/** What `[:name:]` means within brackets. */
export const namedSets: ReadonlyMap<string, CharSet> = new Map([
  ['alnum', of('09azAZ')],
  ['alpha', of('azAZ')],
  ['ascii', of('\x00\x7f')],
  ['blank', of('\t\t  ')],
  ['cntrl', of('\x00\x1f\x7f\x7f')],
  ['digit', digits],
  ['graph', of('!~')],
  ['lower', of('az')],
  ['print', of(' ~')],
  ['punct', of('!/:@[`{~')],
  ['space', of('\t\r  ')],
  ['upper', of('AZ')],
  ['word', words],
  ['xdigit', of('09afAF')],
]);

/** Everything, and everything but the end of a line, which is what a dot means. */
export const anyChar: CharSet = negated(of(''));
export const dot: CharSet = negated(of('\n\n'));

/** Whether a word may hold the character. */
export const isWord = (code: number): boolean => code < 128 && words.ascii[code] === 1;
