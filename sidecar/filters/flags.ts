import type { Call } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import type { Policy } from '../core/policy.ts';
import { carries, joined } from '../policies/baggage.ts';

/**
 * Writes the mesh's flags into the baggage of a call tree that has none yet.
 *
 * Above   route: so that a flag may choose the route
 * Reads   policy.flags, baggage
 * Answers nothing
 * Counts  outrigger_flags_dropped_total
 * Keeps   the members that each policy's flags make, for as long as the policy is in use
 * Status  alpha
 *
 * The first hop decides: a flag that the baggage carries already stays, so that one call tree sees one answer.
 */
export const flags = ({ meter }: Kit): Filter<Call> => {
  const dropped = meter.count('outrigger_flags_dropped_total');
  const written: WeakMap<Policy, Written> = new WeakMap();
  const write = (policy: Policy): Written => {
    const members = Object.entries(policy.flags).map(([flag, variant]) => member(flag, variant));
    const all = members.map((each) => each.text).join(',');
    written.set(policy, { members, all });
    return { members, all };
  };
  return function flags(call, next) {
    const { policy, baggage } = call;
    const { members, all } = written.get(policy) ?? write(policy);
    if (all === '') return next(call);
    const wanted = baggage === '' ? all : missing(members, baggage);
    if (wanted === '') return next(call);
    const carrying = joined(baggage, wanted);
    if (carrying !== null) return next(call.carrying(carrying));
    dropped.value++;
    return next(call);
  };
};

/** A policy's flags as baggage says them. */
interface Written {
  readonly members: readonly Member[];
  readonly all: string;
}

/** One flag as baggage says it. */
interface Member {
  readonly name: string;
  readonly text: string;
}

const member = (flag: string, variant: string): Member => {
  const name = `ff.${encodeURIComponent(flag)}`;
  return { name, text: `${name}=${encodeURIComponent(variant)}` };
};

const missing = (members: readonly Member[], baggage: string): string => {
  let text = '';
  for (const each of members)
    if (!carries(baggage, each.name)) text = text === '' ? each.text : `${text},${each.text}`;
  return text;
};
