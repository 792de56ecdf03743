import { anyChar, type CharSet, CharSetBuilder, dot, escapedSets, namedSets, negated } from './char-set.ts';

/** A pattern as a tree. */
export type RegexNode =
  | { readonly kind: 'char'; readonly set: CharSet }
  | { readonly kind: 'at'; readonly where: 'start' | 'end' | 'edge' | 'inside' }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly RegexNode[] }
  | { readonly kind: 'repeat'; readonly part: RegexNode; readonly least: number; readonly most: number };

/** Thrown for what cannot be read; caught by `safeRegex`. */
export class RegexFault extends Error {}

/** What RE2 allows for one repetition. */
const mostRepeats = 1000;
/** Groups within groups: reading them recurses. */
const deepest = 50;

const controls: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11 };
const anchors = { A: 'start', z: 'end', b: 'edge', B: 'inside' } as const;

/** Reads a pattern of RE2; throws a RegexFault for what is faulty, and for what we leave out. */
export const parseRegex = (pattern: string): RegexNode => new Parser(pattern).all();

interface Flags {
  readonly ignoreCase: boolean;
  readonly dotAll: boolean;
}

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #flags: Flags = { ignoreCase: false, dotAll: false };

  constructor(text: string) {
    this.#text = text;
  }

  all(): RegexNode {
    const node = this.#choice();
    if (this.#at < this.#text.length) throw new RegexFault("a ')' without its '('");
    return node;
  }

  #choice(): RegexNode {
    const parts = [this.#sequence()];
    while (this.#take('|')) parts.push(this.#sequence());
    return parts.length === 1 ? parts[0]! : { kind: 'choice', parts };
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = [];
    for (let next = this.#peek(); next !== '' && next !== '|' && next !== ')'; next = this.#peek()) {
      const part = this.#piece();
      if (part !== null) parts.push(this.#repeated(part));
    }
    return { kind: 'sequence', parts };
  }

  /** One piece, or null for flags that stand alone. */
  #piece(): RegexNode | null {
    const char = this.#next();
    switch (char) {
      case '(':
        return this.#group();
      case '[':
        return { kind: 'char', set: this.#brackets() };
      case '.':
        return { kind: 'char', set: this.#flags.dotAll ? anyChar : dot };
      case '^':
        return { kind: 'at', where: 'start' };
      case '$':
        return { kind: 'at', where: 'end' };
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
        throw new RegexFault(`'${char}' repeats nothing`);
      default:
        return this.#literal(codeOf(char));
    }
  }

  #literal(code: number): RegexNode {
    const set = new CharSetBuilder().range(code, code);
    return { kind: 'char', set: (this.#flags.ignoreCase ? set.foldCase() : set).set() };
  }

  #repeated(part: RegexNode): RegexNode {
    const bounds = this.#bounds();
    if (bounds === null) return part;
    // Greedy or not is about what is found, not about whether something is.
    this.#take('?');
    if (this.#bounds() !== null) throw new RegexFault('one repetition stands behind another');
    return { kind: 'repeat', part, least: bounds[0], most: bounds[1] };
  }

  #bounds(): readonly [least: number, most: number] | null {
    if (this.#take('*')) return [0, Number.POSITIVE_INFINITY];
    if (this.#take('+')) return [1, Number.POSITIVE_INFINITY];
    if (this.#take('?')) return [0, 1];
    const counted = this.#match(/\{(\d{1,9})(,(\d{1,9})?)?\}/y);
    if (counted === null) return null;
    const least = Number(counted[1]);
    const most =
      counted[2] === undefined
        ? least
        : counted[3] === undefined
          ? Number.POSITIVE_INFINITY
          : Number(counted[3]);
    if (least > mostRepeats || (most > mostRepeats && most !== Number.POSITIVE_INFINITY) || least > most)
      throw new RegexFault(`'${counted[0]}' is no repetition of ${mostRepeats} at most`);
    return [least, most];
  }

  #group(): RegexNode | null {
    if (++this.#depth > deepest) throw new RegexFault(`groups stand more than ${deepest} deep`);
    const outside = this.#flags;
    if (this.#match(/\?P?<[A-Za-z_]\w*>/y) === null && this.#take('?')) {
      const flags = this.#match(/([isU]*)(?:-([isU]+))?([:)])/y);
      if (flags === null)
        throw new RegexFault(
          `'(?${this.#peek()}' is left out: look-around, back references and other flags than i, s and U`,
        );
      const [, on = '', off = '', end] = flags;
      const said = (flag: string, before: boolean): boolean =>
        (on.includes(flag) || before) && !off.includes(flag);
      this.#flags = { ignoreCase: said('i', outside.ignoreCase), dotAll: said('s', outside.dotAll) };
      if (end === ')') {
        // They hold to the end of the group around.
        this.#depth--;
        return null;
      }
    }
    const node = this.#choice();
    if (!this.#take(')')) throw new RegexFault("a '(' without its ')'");
    this.#flags = outside;
    this.#depth--;
    return node;
  }

  #escape(): RegexNode {
    const char = this.#peek();
    const set = escapedSets.get(char);
    if (set !== undefined) {
      this.#at++;
      return { kind: 'char', set };
    }
    if (Object.hasOwn(anchors, char)) {
      this.#at++;
      return { kind: 'at', where: anchors[char as keyof typeof anchors] };
    }
    return this.#literal(this.#escapedCode());
  }

  /** The code that stands behind a backslash. */
  #escapedCode(): number {
    const hex = this.#match(/x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})/y);
    if (hex !== null) return plain(Number.parseInt((hex[1] ?? hex[2])!, 16));
    const char = this.#next();
    if (Object.hasOwn(controls, char)) return controls[char]!;
    if (char === '' || /[A-Za-z0-9]/.test(char)) throw new RegexFault(`'\\${char}' is left out`);
    return codeOf(char);
  }

  #brackets(): CharSet {
    const builder = new CharSetBuilder();
    const isNegated = this.#take('^');
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      const named = this.#match(/\[:(\^?)([a-z]+):\]/y);
      if (named !== null) {
        const set = namedSets.get(named[2]!);
        if (set === undefined) throw new RegexFault(`'${named[0]}' is no class`);
        builder.all(named[1] === '' ? set : negated(set));
        continue;
      }
      const set = this.#match(/\\([dDwWsS])/y);
      if (set !== null) {
        builder.all(escapedSets.get(set[1]!)!);
        continue;
      }
      const low = this.#bracketCode();
      const isRange = this.#match(/-(?=[^\]])/y) !== null;
      const high = isRange ? this.#bracketCode() : low;
      if (high < low) throw new RegexFault('a range within brackets runs backwards');
      builder.range(low, high);
    }
    this.#at++;
    if (this.#flags.ignoreCase) builder.foldCase();
    return isNegated ? negated(builder.set()) : builder.set();
  }

  #bracketCode(): number {
    const char = this.#next();
    if (char === '') throw new RegexFault("a '[' without its ']'");
    return char === '\\' ? this.#escapedCode() : codeOf(char);
  }

  #peek(): string {
    return this.#text.charAt(this.#at);
  }

  #next(): string {
    return this.#text.charAt(this.#at++);
  }

  #take(char: string): boolean {
    if (this.#peek() !== char) return false;
    this.#at++;
    return true;
  }

  /** What a sticky pattern of ours finds here. */
  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (found !== null) this.#at = pattern.lastIndex;
    return found;
  }
}

const codeOf = (char: string): number => plain(char.charCodeAt(0));

/** Header fields are bytes, and patterns are characters: only of ASCII do both say the same. */
const plain = (code: number): number => {
  if (code > 127) throw new RegexFault('characters beyond ASCII are left out');
  return code;
};
