import type { Call } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import { FlagTrees } from '../core/flag-trees.ts';
import type { Kit } from '../core/kit.ts';
import {
  agree,
  type Carried,
  flagReader,
  markMember,
  overridden,
  readAsked,
  withRoom,
} from '../policies/flag-members.ts';

/** Whose word on flags counts. */
export interface BelieveSettings {
  /** Services that may decide; null: every one. */
  readonly deciders: readonly string[] | null;
  /** Services whose `x-outrigger-flags` holds. */
  readonly testers: readonly string[];
}

const everybody: BelieveSettings = { deciders: null, testers: [] };

/**
 * Believes flags of those alone who may decide them, and remembers what a call tree carries.
 *
 * Above   the app: so that it sees no flag that nobody was allowed to decide
 * Reads   baggage; x-outrigger-flags; the verified caller
 * Answers nothing
 * Counts  outrigger_flags_refused_total, outrigger_flags_dropped_total
 * Keeps   for one to two minutes what trees carry, with the filter `flags` on the way out
 * Status  alpha
 *
 * Who decided stands in the mark that the first sidecar has left; a caller that carries none speaks for itself. What is not
 * believed is taken out, the call goes on.
 */
export const believe = (
  { meter, clock }: Kit,
  { deciders, testers }: BelieveSettings = everybody,
  trees: FlagTrees = new FlagTrees(clock),
): Filter<Call> => {
  const dropped = meter.count('outrigger_flags_dropped_total');
  const may = deciders === null ? null : new Set(deciders);
  const mayTest = new Set(testers);
  const read = flagReader();
  const refuse = (caller: string, reason: string): void => {
    meter.count('outrigger_flags_refused_total', caller || 'anonymous', reason).value++;
  };
  const isBelieved = ({ version, by }: Carried, caller: string): boolean =>
    may === null || (caller !== '' && may.has(version === '' || by === '' ? caller : by));

  /** The call with the answers that a tester asks for. */
  const tested = (call: Call): Call => {
    const { caller, words } = call.arrival;
    const asked = readAsked(words.flags);
    const carried = read(call.baggage);
    if (asked === null) {
      refuse(caller, 'malformed');
      return call;
    }
    const members = overridden(carried, asked);
    const mark = carried === null || carried.version === '' ? [] : [markMember(carried.version, carried.by)];
    const { baggage, all } = withRoom(carried?.others ?? call.baggage, [...mark, ...members]);
    const now = read(baggage);
    // Its own sidecar has done so already.
    if (carried !== null && now !== null && agree(carried, now)) return call;
    if (!mayTest.has(caller)) {
      refuse(caller, 'tester');
      return call;
    }
    if (!all) dropped.value++;
    return call.carrying(baggage);
  };

  return function believe(call, next) {
    const { caller, words } = call.arrival;
    let carried = read(call.baggage);
    if (carried === null && words.flags === '') return next(call);
    let known = call;
    if (carried !== null && !isBelieved(carried, caller)) {
      refuse(caller, 'decider');
      known = call.carrying(carried.others);
      carried = null;
    }
    if (words.flags !== '') {
      known = tested(known);
      carried = read(known.baggage);
    }
    if (carried !== null && carried.version !== '') trees.note(call.id, carried.text);
    return next(known);
  };
};
