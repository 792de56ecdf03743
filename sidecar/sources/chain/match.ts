import type { EntryWords } from '../../consul/chain-answer.ts';
import type { FieldMatch, TextMatch } from '../../core/routes.ts';
import { listOf, strangers, textOf, textsOf, wordsOf } from './words.ts';

/** Says what is wrong with a pattern, or null. */
export type PatternFault = (pattern: string) => string | null;

/** What a route matches, or why no call of ours can ever match it. */
export type Matched =
  | { readonly path: TextMatch | null; readonly fields: readonly FieldMatch[] }
  | { readonly never: string };

const pathWords = ['PathExact', 'PathPrefix', 'PathRegex'] as const;
const httpWords = [...pathWords, 'CaseInsensitive', 'Header', 'QueryParam', 'Methods'];
const fieldWords = [
  'Name',
  'Present',
  'Exact',
  'Prefix',
  'Suffix',
  'Contains',
  'Regex',
  'Invert',
  'IgnoreCase',
];
const fieldKinds = [
  ['Exact', 'exact'],
  ['Prefix', 'prefix'],
  ['Suffix', 'suffix'],
  ['Contains', 'contains'],
  ['Regex', 'pattern'],
] as const;

/**
 * Compiles the `Match` of a route. A condition that we do not understand is never left out, which would match more
 * than was meant: the whole route is.
 *
 * Ref: Consul, "Service Router".
 */
export const compileMatch = (match: EntryWords | null, faultOf: PatternFault): Matched => {
  if (match === null) return { path: null, fields: [] };
  const http = wordsOf(match['HTTP']);
  const unknown = [...strangers(match, ['HTTP']), ...strangers(http, httpWords)];
  if (unknown.length > 0) return { never: `its condition ${unknown.join(', ')} is not known here` };
  const methods = textsOf(http, 'Methods');
  if (methods.length > 0 && !methods.some((method) => method.toUpperCase() === 'POST'))
    return { never: `it asks for ${methods.join(', ')}, and gRPC calls are POST` };
  const [query] = listOf(http, 'QueryParam');
  if (query !== undefined)
    return {
      never: `it asks for the query parameter '${textOf(query, 'Name')}', and gRPC calls have no query`,
    };
  const fields: FieldMatch[] = [];
  for (const words of listOf(http, 'Header')) {
    const field = compileField(words, faultOf);
    if ('never' in field) return field;
    fields.push(field);
  }
  const path = compilePath(http, faultOf);
  return path !== null && 'never' in path ? path : { path, fields };
};

const compilePath = (http: EntryWords, faultOf: PatternFault): TextMatch | { never: string } | null => {
  const ignoreCase = http['CaseInsensitive'] === true;
  const exact = textOf(http, 'PathExact');
  if (exact !== '') return textMatch('exact', exact, ignoreCase);
  const prefix = textOf(http, 'PathPrefix');
  // Every path begins with a slash.
  if (prefix !== '') return prefix === '/' ? null : textMatch('prefix', prefix, ignoreCase);
  const pattern = textOf(http, 'PathRegex');
  return pattern === '' ? null : textPattern(pattern, ignoreCase, faultOf);
};

const compileField = (words: EntryWords, faultOf: PatternFault): FieldMatch | { never: string } => {
  const name = textOf(words, 'Name').toLowerCase();
  const unknown = strangers(words, fieldWords);
  if (unknown.length > 0)
    return { never: `its condition ${unknown.join(', ')} on header '${name}' is not known here` };
  const ignoreCase = words['IgnoreCase'] === true;
  const invert = words['Invert'] === true;
  for (const [word, by] of fieldKinds) {
    const text = textOf(words, word);
    if (text === '') continue;
    const match = by === 'pattern' ? textPattern(text, ignoreCase, faultOf) : textMatch(by, text, ignoreCase);
    return 'never' in match ? match : { name, ...match, invert };
  }
  if (words['Present'] === true) return { name, ...textMatch('present', '', false), invert };
  return { never: `it says nothing of how header '${name}' must look` };
};

const textMatch = (by: TextMatch['by'], text: string, ignoreCase: boolean): TextMatch => ({
  by,
  text: ignoreCase ? text.toLowerCase() : text,
  ignoreCase,
});

const textPattern = (
  text: string,
  ignoreCase: boolean,
  faultOf: PatternFault,
): TextMatch | { never: string } => {
  const pattern = ignoreCase ? `(?i)${text}` : text;
  const fault = faultOf(pattern);
  // The case is in the pattern's own words.
  return fault === null
    ? { by: 'pattern', text: pattern, ignoreCase: false }
    : { never: `its pattern '${text}' cannot be used: ${fault}` };
};
