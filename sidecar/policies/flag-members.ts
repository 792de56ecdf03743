import { flagMark, flagPrefix, membersOf } from '../core/baggage-members.ts';
import type { FlagAnswer } from '../core/flag-set.ts';
import { bounded } from './baggage.ts';

const comma = 0x2c;

/** What baggage says of flags, and the rest. */
export interface Carried {
  /** The version of the definitions that decided; empty: nobody has marked the tree. */
  readonly version: string;
  /** Who decided; empty where the mark names nobody. */
  readonly by: string;
  /** The answers as they stand there, without their properties. */
  readonly members: readonly string[];
  /** The mark and the answers. */
  readonly text: string;
  /** Everything else, as it came. */
  readonly others: string;
}

/** What `baggage` says of flags; null: nothing. */
export const carriedIn = (baggage: string): Carried | null => {
  if (baggage === '' || (!baggage.includes(flagPrefix) && !baggage.includes(flagMark))) return null;
  let found = '';
  const members: string[] = [];
  let others = '';
  for (const each of baggage.split(',')) {
    const properties = each.indexOf(';');
    const plain = (properties < 0 ? each : each.slice(0, properties)).trim();
    if (plain.startsWith(flagPrefix)) members.push(plain);
    else if (nameOf(plain) === flagMark) found = found === '' ? plain : found;
    else others = others === '' ? each : `${others},${each}`;
  }
  if (found === '' && members.length === 0) return null;
  const [version = '', ...by] = found.slice(found.indexOf('=') + 1).split('.');
  const text =
    members.length === 0 ? copyOf(found) : (found === '' ? members : [found, ...members]).join(',');
  return { version: version.trim(), by: by.join('.').trim(), members, text, others };
};

/** Texts whose meaning is remembered: there are few at a time, as all trees of a version are given one of a few answers. */
const mostTexts = 256;

/**
 * The same as `carriedIn`, which remembers what the ends of baggage mean: a sidecar writes mark and answers behind the
 * rest, and most calls carry the same.
 */
export const flagReader = (): ((baggage: string) => Carried | null) => {
  let known: Map<string, Carried> = new Map();
  return (baggage) => {
    const at = baggage.indexOf(flagMark);
    // Where anything before it may be an answer, or the mark the end of another name, it is looked at in full.
    const isEnd = at === 0 || (at > 0 && baggage.charCodeAt(at - 1) === comma);
    if (!isEnd || baggage.lastIndexOf(flagPrefix, at) >= 0) return carriedIn(baggage);
    const end = at === 0 ? baggage : baggage.slice(at);
    const before = at === 0 ? '' : baggage.slice(0, at - 1);
    let carried = known.get(end);
    if (carried === undefined) {
      const own = copyOf(end);
      const read = carriedIn(own);
      if (read === null) return carriedIn(baggage);
      if (known.size >= mostTexts) known = new Map();
      known.set(own, (carried = read));
    }
    if (before === '') return carried;
    return { ...carried, others: carried.others === '' ? before : `${before},${carried.others}` };
  };
};

/** A mark as baggage says it. */
export const markMember = (version: string, by: string): string =>
  by === '' ? `${flagMark}=${version}` : `${flagMark}=${version}.${by}`;

/** An answer as baggage says it. */
export const flagMember = ([flag, variant]: FlagAnswer): string =>
  `${flagPrefix}${encodeURIComponent(flag)}=${encodeURIComponent(variant)}`;

/** The answer that a member says; null for what cannot be read. */
export const answerIn = (member: string): FlagAnswer | null => {
  const equals = member.indexOf('=');
  try {
    return [
      decodeURIComponent(member.slice(flagPrefix.length, Math.max(equals, 0)).trim()),
      decodeURIComponent(member.slice(equals + 1).trim()),
    ];
  } catch {
    return null;
  }
};

/** Whether both give the same answers, by the same definitions and decider, however they are written. */
export const agree = (one: Carried, other: Carried): boolean => {
  const { version, by, members } = other;
  if (one.version !== version || one.by !== by || one.members.length !== members.length) return false;
  const said = answersOf(other);
  // What is said twice may be read either way.
  if (said.size !== members.length) return false;
  for (const [flag, variant] of answersOf(one)) if (said.get(flag) !== variant) return false;
  return true;
};

const answersOf = ({ members }: Carried): ReadonlyMap<string, string> =>
  new Map(members.map((member) => answerIn(member) ?? [member, '']));

/** The answers of `carried`, those in `wanted` in the place of its own; without the mark. */
export const overridden = (carried: Carried | null, wanted: readonly FlagAnswer[]): string[] => {
  const flags = new Set(wanted.map(([flag]) => flag));
  const kept = (carried?.members ?? []).filter((member) => !flags.has(answerIn(member)?.[0] ?? ''));
  return [...wanted.map(flagMember), ...kept];
};

/** `baggage` with as many of the members as there is room for behind it, each whole; `all` is false when some are left out. */
export const withRoom = (
  baggage: string,
  members: readonly string[],
): { readonly baggage: string; readonly all: boolean } => {
  let all = true;
  for (const member of members) {
    const longer = baggage === '' ? member : `${baggage},${member}`;
    if (bounded(longer) === longer) baggage = longer;
    // The mark comes first: answers without it would be decided again below.
    else if (member.startsWith(`${flagMark}=`)) return { baggage, all: false };
    else all = false;
  }
  return { baggage, all };
};

/** Answers that one call may ask for. */
const mostAsked = 32;
const word = /^[A-Za-z0-9._-]{1,64}$/;

/** What `x-outrigger-flags` asks for, `express=on,tax=v2`; null when it cannot be read. */
export const readAsked = (text: string): readonly FlagAnswer[] | null => {
  const asked: FlagAnswer[] = [];
  for (const pair of text.split(',', mostAsked + 1)) {
    const [flag = '', variant = '', ...more] = pair.split('=').map((part) => part.trim());
    if (!word.test(flag) || !word.test(variant) || more.length > 0) return null;
    asked.push([flag, variant]);
  }
  return asked.length > mostAsked ? null : asked;
};

/** The value of a member of baggage, or empty. */
export const valueIn = (baggage: string, name: string): string => {
  if (!baggage.includes(name)) return '';
  return membersOf(baggage).find(([found]) => found === name)?.[1] ?? '';
};

/** A part of a text keeps all of it in memory: what is remembered is a text of its own. Baggage is a byte a character. */
const copyOf = (text: string): string => Buffer.from(text, 'latin1').toString('latin1');

const nameOf = (pair: string): string => pair.slice(0, Math.max(pair.indexOf('='), 0)).trim();
