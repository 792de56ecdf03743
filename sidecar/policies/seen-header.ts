import type { Call } from '../core/call.ts';
import { isSpokenFor } from '../core/spoken-for.ts';

const token = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;

const none: readonly string[] = Object.freeze([]);
const post: readonly string[] = Object.freeze(['POST']);
const unless = (text: string): readonly string[] => (text === '' ? none : [text]);

/** Headers that do not stand among the metadata, as the app will see them: some are made or trimmed on the way. */
const words: ReadonlyMap<string, (call: Call) => readonly string[]> = new Map<
  string,
  (call: Call) => readonly string[]
>([
  [':method', () => post],
  [':path', ({ method }) => [method]],
  [':authority', ({ arrival }) => unless(arrival.authority)],
  ['x-request-id', ({ id }) => unless(id)],
  ['traceparent', ({ traceparent }) => unless(traceparent)],
  ['tracestate', ({ tracestate }) => unless(tracestate)],
  ['baggage', ({ baggage }) => unless(baggage)],
  ['x-outrigger-caller', ({ arrival }) => unless(arrival.caller)],
  ['x-outrigger-priority', ({ arrival }) => unless(arrival.words.priority)],
]);

/** Headers that are dropped, or written anew for each hop: what a caller sent is not what the app sees. */
const rewritten: readonly string[] = ['te', 'host', 'grpc-timeout'];

/**
 * How the values of a header are found that the app will see under a name in lower case; or the reason why a rule
 * about it cannot be kept.
 */
export const seenHeader = (name: string): ((call: Call) => readonly string[]) | { readonly why: string } => {
  const word = words.get(name);
  if (word !== undefined) return word;
  if (rewritten.includes(name) || isSpokenFor(name))
    return { why: `the app does not see the '${name}' that a caller sends: the mesh drops or rewrites it` };
  if (!token.test(name)) return { why: `'${name.slice(0, 64)}' is no header that a call can have` };
  return ({ arrival: { metadata } }) => {
    let found: string[] | null = null;
    for (let at = 0; at < metadata.length; at += 2)
      if (metadata[at] === name) (found ??= []).push(metadata[at + 1]!);
    return found ?? none;
  };
};
