import type { Call } from '../core/call.ts';
import type { FieldMatch, RouteRule, RouteTable, TextMatch } from '../core/routes.ts';
import { type SafeRegex, safeRegex } from './safe-regex.ts';

/** Finds the first rule of a table that fits a call; null when none does. */
export type RuleOf = (table: RouteTable, call: Call) => RouteRule | null;

/** Characters of a value that a pattern is tried on; a field with more fits no rule that has a pattern for it. */
const longestValue = 4096;

/**
 * Makes a finder of rules. It keeps the machine of each pattern for as long as the table that has it.
 *
 * A rule fits when its path and all its fields do. A field that is absent fits nothing but `present` inverted: as in
 * Envoy, an inverted value asks for a field that is there and looks otherwise.
 */
export const ruleFinder = (): RuleOf => {
  const machines = new WeakMap<TextMatch, SafeRegex | null>();

  const machineOf = (match: TextMatch): SafeRegex | null => {
    let machine = machines.get(match);
    if (machine === undefined) {
      const made = safeRegex(match.text);
      machine = 'why' in made ? null : made;
      machines.set(match, machine);
    }
    return machine;
  };

  /** Null: it cannot be said. */
  const fits = (match: TextMatch, text: string): boolean | null => {
    const said = match.ignoreCase ? text.toLowerCase() : text;
    switch (match.by) {
      case 'present':
        return true;
      case 'exact':
        return said === match.text;
      case 'prefix':
        return said.startsWith(match.text);
      case 'suffix':
        return said.endsWith(match.text);
      case 'contains':
        return said.includes(match.text);
      case 'pattern':
        return text.length > longestValue ? null : (machineOf(match)?.matches(text) ?? null);
    }
  };

  const fieldFits = (field: FieldMatch, call: Call): boolean => {
    const value = fieldOf(call, field.name);
    if (value === null) return field.by === 'present' && field.invert;
    const does = fits(field, value);
    return does !== null && does !== field.invert;
  };

  return (table, call) => {
    for (const rule of table.rules)
      if (
        (rule.path === null || fits(rule.path, call.method) === true) &&
        rule.fields.every((field) => fieldFits(field, call))
      )
        return rule;
    return null;
  };
};

/** A header field of the call as its caller sent it, several of one name joined by commas; null when it is absent. */
export const fieldOf = ({ arrival, baggage }: Call, name: string): string | null => {
  const { words, metadata } = arrival;
  switch (name) {
    case ':path':
      return arrival.method;
    case ':method':
      return 'POST';
    case ':authority':
    case 'host':
      return said(arrival.authority);
    case 'te':
      return 'trailers';
    case 'x-request-id':
      return said(words.requestId);
    case 'traceparent':
      return said(words.traceparent);
    case 'tracestate':
      return said(words.tracestate);
    case 'baggage':
      // With the flags that this hop wrote into it: a flag may choose the route.
      return said(baggage);
    case 'grpc-timeout':
      return said(words.timeout);
  }
  let value: string | null = null;
  for (let at = 0; at < metadata.length; at += 2)
    if (metadata[at] === name) value = value === null ? metadata[at + 1]! : `${value},${metadata[at + 1]!}`;
  return value;
};

const said = (word: string): string | null => (word === '' ? null : word);
