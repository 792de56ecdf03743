import { complaint, type Expression, type Operator, parseFilter } from './filter-parse.ts';
import type { Shape } from './filter-shapes.ts';
import { failed } from './refusal.ts';

/** Says whether a record passes. */
export type Filter = (record: unknown) => boolean;

type Match = Extract<Expression, { kind: 'match' }>;

/** Compiles `?filter=` for records of one shape; refuses selectors that the shape lacks. Empty or absent: all pass. */
export const compileFilter = (text: string | null, shape: Shape): Filter => {
  if (text === null || text.trim() === '') return () => true;
  const expression = parseFilter(text);
  check(expression, shape);
  return (record) => passes(expression, record);
};

const passes = (expression: Expression, record: unknown): boolean => {
  switch (expression.kind) {
    case 'and':
      return passes(expression.left, record) && passes(expression.right, record);
    case 'or':
      return passes(expression.left, record) || passes(expression.right, record);
    case 'not':
      return !passes(expression.of, record);
    case 'match':
      return reach(expression, record, 0);
  }
};

/** Walks down the selector; of a list, any element will do, as in Consul. */
const reach = (match: Match, here: unknown, depth: number): boolean => {
  if (depth === match.selector.length) return compare(match, here);
  if (Array.isArray(here)) return here.some((element) => reach(match, element, depth));
  const key = match.selector[depth]!;
  const object = here as Record<string, unknown> | null | undefined;
  if (object === null || object === undefined || !Object.hasOwn(object, key)) return absent(match);
  return reach(match, object[key], depth + 1);
};

/** A field or key that is not there: nothing equals it and it holds nothing, except that it equals the empty value. */
const absent = (match: Match): boolean => {
  const emptyValue = match.value === '' || match.value === '0' || match.value === 'false';
  const yes = match.operator === 'empty' || (match.operator === 'equal' && isField(match) && emptyValue);
  return match.not ? !yes : yes;
};

/** Maps have no empty values for keys they lack; objects do for fields that JSON leaves out. */
const isField = (match: Match): boolean =>
  !match.selector.some((part) => ['Meta', 'NodeMeta', 'ServiceMeta'].includes(part));

const compare = (match: Match, value: unknown): boolean => {
  const yes = holds(match.operator, value, match.value);
  return match.not ? !yes : yes;
};

const holds = (operator: Operator, value: unknown, wanted: string): boolean => {
  switch (operator) {
    case 'equal':
      return typeof value === 'number' ? value === Number(wanted) : String(value) === wanted;
    case 'in':
      if (typeof value === 'string') return value.includes(wanted);
      if (Array.isArray(value)) return value.includes(wanted);
      return typeof value === 'object' && value !== null && Object.hasOwn(value, wanted);
    case 'empty':
      return value === null || value === undefined || Object.keys(value as object).length === 0;
  }
};

const check = (expression: Expression, shape: Shape): void => {
  if (expression.kind === 'not') check(expression.of, shape);
  else if (expression.kind !== 'match') {
    check(expression.left, shape);
    check(expression.right, shape);
  } else checkMatch(expression, shape);
};

const checkMatch = (match: Match, shape: Shape): void => {
  let here: Shape | undefined = shape;
  for (const part of match.selector) {
    while (typeof here === 'object' && 'list' in here) here = here.list;
    if (typeof here !== 'object') here = undefined;
    else if ('map' in here) here = here.map;
    else if ('fields' in here) here = Object.hasOwn(here.fields, part) ? here.fields[part] : undefined;
    if (here === undefined) throw failed(`${complaint}Selector "${match.selector.join('.')}" is not valid`);
  }
  const simple = typeof here === 'string';
  const allowed =
    match.operator === 'equal'
      ? simple
      : match.operator === 'empty'
        ? !simple && !('fields' in (here as object))
        : here === 'string' || (!simple && ('map' in (here as object) || 'list' in (here as object)));
  const selector = match.selector.join('.');
  if (!allowed)
    throw failed(`${complaint}Invalid match operator "${operatorName(match)}" for selector "${selector}"`);
  if (match.operator !== 'equal') return;
  const fits =
    here === 'int' ? /^-?\d+$/.test(match.value) : here !== 'bool' || /^(?:true|false)$/.test(match.value);
  if (!fits)
    throw failed(
      `${complaint}Failed to coerce value "${match.value}" for selector "${selector}": ` +
        `strconv.Parse${here === 'int' ? 'Int' : 'Bool'}: parsing "${match.value}": invalid syntax`,
    );
};

const operatorName = (match: Match): string =>
  ({ equal: ['Equal', 'Not Equal'], in: ['In', 'Not In'], empty: ['Is Empty', 'Is Not Empty'] })[
    match.operator
  ][match.not ? 1 : 0]!;
