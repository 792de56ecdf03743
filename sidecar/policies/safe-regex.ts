import { type CharSet, isWord } from './char-set.ts';
import { parseRegex, RegexFault, type RegexNode } from './regex-parse.ts';

/** A pattern that cannot be made to run away: its time grows with the text and with the pattern, never with both to a power. */
export interface SafeRegex {
  readonly source: string;
  /** Whether the whole text matches, as Envoy asks it of paths and header values. */
  matches(text: string): boolean;
}

/** Characters of a pattern. */
const longestPattern = 1024;
/** Steps of the machine that a pattern becomes; Envoy's default is 100. */
const mostSteps = 500;
/** Pieces looked at while the machine is made: repetitions of nothing make no steps, but take time. */
const mostPieces = 10_000;

/**
 * Makes a machine of a pattern in RE2's syntax, or says why it cannot.
 *
 * JavaScript's own patterns go back and try again: `(a+)+b` takes hours for forty letters. This one walks through
 * the text once with all possibilities at a time (Thompson), as RE2 does. Read are: literals, `.`, classes
 * (`[a-z]`, `[[:alpha:]]`, `\d \w \s`), groups with or without names, `|`, `* + ? {n,m}` greedy or not, `^ $ \A \z \b \B`,
 * flags `i s U`, `\xHH`. Left out, with the reason: look-around and back references, which RE2 has not either,
 * `\Q..\E`, `\p{..}`, octal escapes, `(?m)`, `\C`, and characters beyond ASCII.
 */
export const safeRegex = (pattern: string): SafeRegex | { readonly why: string } => {
  if (pattern.length > longestPattern) return { why: `it is longer than ${longestPattern} characters` };
  try {
    return new Machine(pattern, parseRegex(pattern));
  } catch (fault) {
    if (fault instanceof RegexFault) return { why: fault.message };
    throw fault;
  }
};

/** What a step does: take a character of its set, go on in two places, go on at a place in the text, or be done. */
type Step =
  | { readonly set: CharSet; next: number }
  | { readonly at: 'start' | 'end' | 'edge' | 'inside'; next: number }
  | { next: number; other: number }
  | 'done';

class Machine implements SafeRegex {
  readonly source: string;
  readonly #steps: Step[] = ['done'];
  readonly #start: number;
  #pieces = 0;
  /** Round in which a step was reached last, so that none is walked twice at one place. */
  readonly #reached: Float64Array;
  #round = 0;
  #now: number[] = [];
  #then: number[] = [];

  constructor(source: string, node: RegexNode) {
    this.source = source;
    this.#start = this.#make(node, 0);
    this.#reached = new Float64Array(this.#steps.length);
  }

  matches(text: string): boolean {
    this.#now.length = 0;
    this.#round++;
    let done = this.#enter(this.#start, text, 0);
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      this.#then.length = 0;
      this.#round++;
      done = false;
      const now = this.#now;
      this.#now = this.#then;
      this.#then = now;
      for (const index of now) {
        const step = this.#steps[index] as { set: CharSet; next: number };
        const takes = code < 128 ? step.set.ascii[code] === 1 : step.set.beyond;
        if (takes && this.#enter(step.next, text, at + 1)) done = true;
      }
      if (this.#now.length === 0 && !done) return false;
    }
    return done;
  }

  /** Goes as far as it can without a character; notes the steps that want one. Answers whether the end was reached. */
  #enter(index: number, text: string, at: number): boolean {
    if (this.#reached[index] === this.#round) return false;
    this.#reached[index] = this.#round;
    const step = this.#steps[index]!;
    if (step === 'done') return true;
    if ('set' in step) {
      this.#now.push(index);
      return false;
    }
    if ('at' in step) return holds(step.at, text, at) && this.#enter(step.next, text, at);
    const first = this.#enter(step.next, text, at);
    return this.#enter(step.other, text, at) || first;
  }

  /** Adds the steps of a node that go on at `next`; answers where they begin. */
  #make(node: RegexNode, next: number): number {
    if (++this.#pieces > mostPieces) throw new RegexFault('its repetitions come to too much');
    switch (node.kind) {
      case 'char':
        return this.#add({ set: node.set, next });
      case 'at':
        return this.#add({ at: node.where, next });
      case 'sequence':
        return node.parts.reduceRight((then, part) => this.#make(part, then), next);
      case 'choice':
        return node.parts
          .map((part) => this.#make(part, next))
          .reduceRight((other, one) => this.#add({ next: one, other }));
      case 'repeat': {
        let begin = next;
        if (node.most === Number.POSITIVE_INFINITY) {
          const loop: Step = { next: 0, other: next };
          begin = this.#add(loop);
          loop.next = this.#make(node.part, begin);
        } else
          for (let more = node.least; more < node.most; more++)
            begin = this.#add({ next: this.#make(node.part, begin), other: next });
        for (let must = 0; must < node.least; must++) begin = this.#make(node.part, begin);
        return begin;
      }
    }
  }

  #add(step: Step): number {
    if (this.#steps.length >= mostSteps) throw new RegexFault(`it comes to more than ${mostSteps} steps`);
    return this.#steps.push(step) - 1;
  }
}

const holds = (where: 'start' | 'end' | 'edge' | 'inside', text: string, at: number): boolean => {
  if (where === 'start') return at === 0;
  if (where === 'end') return at === text.length;
  const before = at > 0 && isWord(text.charCodeAt(at - 1));
  const after = at < text.length && isWord(text.charCodeAt(at));
  return (before !== after) === (where === 'edge');
};
