import type { EntryWords } from '../../consul/chain-answer.ts';
import { unitMs } from '../../core/duration-units.ts';

/** A word that is a text; anything else is the empty one. */
export const textOf = (words: EntryWords, key: string): string => {
  const value = words[key];
  return typeof value === 'string' ? value : '';
};

/** A word that is a list of texts. */
export const textsOf = (words: EntryWords, key: string): readonly string[] => {
  const value = words[key];
  return Array.isArray(value) ? value.map(String) : [];
};

/** A word that is a list of objects. */
export const listOf = (words: EntryWords, key: string): readonly EntryWords[] => {
  const value = words[key];
  return Array.isArray(value) ? value.map(wordsOf) : [];
};

/** An object, whatever came. */
export const wordsOf = (value: unknown): EntryWords =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as EntryWords) : {};

/** Whether a word says anything: Consul writes what was left out as an empty value, or not at all. */
export const says = (value: unknown): boolean => {
  if (value === undefined || value === null || value === false || value === '' || value === 0) return false;
  if (value === '0s') return false;
  if (Array.isArray(value)) return value.length > 0;
  return typeof value !== 'object' || Object.values(value).some(says);
};

/** Names of words that say something and are not among `known`. */
export const strangers = (words: EntryWords, known: readonly string[]): string[] =>
  Object.keys(words).filter((key) => !known.includes(key) && says(words[key]));

/** Milliseconds of a duration as Go writes it (`1m30s`) or in nanoseconds; null when it is absent, 0 or none. */
export const durationMs = (value: unknown): number | null => {
  if (typeof value === 'number') return value > 0 ? value / 1e6 : null;
  if (typeof value !== 'string' || !/^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/.test(value)) return null;
  let ms = 0;
  for (const [, count, unit] of value.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
    ms += Number(count) * unitMs[unit!]!;
  return ms > 0 ? ms : null;
};
