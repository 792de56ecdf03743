import type { Choose } from './choose.ts';
import { defaultMs } from './peak-latency.ts';
import { loadedBy, type Prefers, twoChoices } from './two-choices.ts';

/**
 * Endpoints are alike until one lets its callers wait twice as long, and by more than what is noise. Latencies are never
 * equal: if every difference counted, the luckiest of a healthy fleet would get most of the calls.
 */
const alike = 2;
/**
 * To cross zones it must be ten times as long: there endpoints are seldom called, and what is known of them has
 * faded further than what is known of ours. Nor is one crossed to that nobody knows.
 */
const alikeAcross = 10;

const quicker: Prefers = (other, one, now, zoned) => {
  const oneMs = one.costMs(now);
  const otherMs = other.costMs(now);
  const oneLoaded = loadedBy(one, zoned);
  const otherLoaded = loadedBy(other, zoned);
  const isAcross = zoned && other.zone !== 'own';
  const most = isAcross ? alikeAcross : alike;
  const isAlike =
    (oneMs <= otherMs * most + defaultMs && otherMs <= oneMs * most + defaultMs) ||
    (isAcross && (otherMs === 0 || oneMs === 0));
  return isAlike ? otherLoaded < oneLoaded : otherMs * otherLoaded < oneMs * oneLoaded;
};

/**
 * Chooses the one of two endpoints where a call will wait less: the time that replies took lately, peaks remembered,
 * times the calls that are at it. An endpoint that turns slow gets less from its first slow reply on, long before
 * anything is a failure.
 *
 * Ref: Finagle, "Peak EWMA".
 */
export const peakEwma = (random: () => number): Choose => twoChoices(random, quicker);
