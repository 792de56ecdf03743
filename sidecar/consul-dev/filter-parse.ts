import { failed } from './refusal.ts';

/** What a comparison does. `not` forms are the same with `not` set. */
export type Operator = 'equal' | 'in' | 'empty';

/** A filter expression as a tree. */
export type Expression =
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'not'; readonly of: Expression }
  | {
      readonly kind: 'match';
      readonly selector: readonly string[];
      readonly operator: Operator;
      readonly not: boolean;
      /** Empty for `is empty`. */
      readonly value: string;
    };

const longestExpression = 8192;
const deepestExpression = 100;

/** Words in front of every complaint about a filter. */
export const complaint = 'Failed to create boolean expression evaluator: ';

/**
 * Parses a filter: `==`, `!=`, `in`, `not in`, `contains`, `not contains`, `is empty`, `is not empty`, `and`, `or`,
 * `not`, parentheses. `and` binds tighter than `or`. Refuses what it cannot read, with the column.
 * Ref: Consul API, "Filtering".
 */
export const parseFilter = (text: string): Expression => {
  if (text.length > longestExpression)
    throw failed(`${complaint}longer than ${longestExpression} characters`);
  let at = 0;
  let depth = 0;

  const fail = (expected: string): never => {
    throw failed(`${complaint}1:${at + 1} (${at}): no match found, expected: ${expected}`);
  };
  const skip = (): void => {
    while (/\s/.test(text[at] ?? '')) at++;
  };
  const take = (pattern: RegExp): string | null => {
    const found = pattern.exec(text.slice(at));
    if (found === null) return null;
    at += found[0].length;
    return found[0];
  };
  /** A word that stands alone, with what is white around it. */
  const word = (...words: string[]): boolean => {
    const before = at;
    for (const one of words) {
      skip();
      if (take(new RegExp(`^${one}(?![a-zA-Z0-9_.\\["])`)) === null) {
        at = before;
        return false;
      }
    }
    return true;
  };

  const either = (): Expression => {
    let left = both();
    while (word('or')) left = { kind: 'or', left, right: both() };
    return left;
  };
  const both = (): Expression => {
    let left = one();
    while (word('and')) left = { kind: 'and', left, right: one() };
    return left;
  };
  const one = (): Expression => {
    if (++depth > deepestExpression) throw failed(`${complaint}nested deeper than ${deepestExpression}`);
    skip();
    let found: Expression;
    if (word('not')) found = { kind: 'not', of: one() };
    else if (take(/^\(/) !== null) {
      found = either();
      skip();
      if (take(/^\)/) === null) fail('")", "and" or "or"');
    } else found = match();
    depth--;
    return found;
  };
  const match = (): Expression => {
    const begin = at;
    const first = value();
    if (word('in')) return inside(false, first);
    if (word('not', 'in')) return inside(true, first);
    const end = at;
    at = begin;
    const named = selector();
    at = Math.max(at, end);
    const base = { kind: 'match', selector: named } as const;
    if (word('is', 'not', 'empty')) return { ...base, operator: 'empty', not: true, value: '' };
    if (word('is', 'empty')) return { ...base, operator: 'empty', not: false, value: '' };
    if (word('not', 'contains')) return { ...base, operator: 'in', not: true, value: next() };
    if (word('contains')) return { ...base, operator: 'in', not: false, value: next() };
    skip();
    const sign = take(/^(?:==|!=)/);
    if (sign === null) return fail('"!=", "==", "contains", "in", "is" or "not"');
    return { ...base, operator: 'equal', not: sign === '!=', value: next() };
  };
  const inside = (not: boolean, first: string): Expression => {
    skip();
    return { kind: 'match', selector: selector(), operator: 'in', not, value: first };
  };
  const next = (): string => {
    skip();
    return value();
  };
  const value = (): string => {
    const quoted = take(/^"(?:[^"\\]|\\.)*"/);
    if (quoted !== null) {
      try {
        return JSON.parse(quoted) as string;
      } catch {
        return fail('a quoted string');
      }
    }
    const rawText = take(/^`[^`]*`/);
    if (rawText !== null) return rawText.slice(1, -1);
    return (
      take(/^-?(?:0|[1-9]\d*)(?:\.\d+)?(?![a-zA-Z0-9_])/) ??
      take(/^[a-zA-Z][a-zA-Z0-9_]*(?:\.[a-zA-Z][a-zA-Z0-9_]*|\["[^"]*"\]|\[`[^`]*`\])*/) ??
      fail('"-", "0", "\\"", "`", [1-9] or [a-zA-Z]')
    );
  };
  const selector = (): string[] => {
    const path = [take(/^[a-zA-Z][a-zA-Z0-9_]*/) ?? fail('[a-zA-Z]')];
    for (;;) {
      const part = take(/^\.[a-zA-Z][a-zA-Z0-9_]*/);
      if (part !== null) {
        path.push(part.slice(1));
        continue;
      }
      const index = take(/^\[(?:"[^"]*"|`[^`]*`)\]/);
      if (index === null) return path;
      path.push(index.slice(2, -2));
    }
  };

  const whole = either();
  skip();
  if (at < text.length) fail('"and", "or" or EOF');
  return whole;
};
