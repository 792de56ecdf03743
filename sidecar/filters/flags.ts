import { flagPrefix } from '../core/baggage-members.ts';
import type { Call } from '../core/call.ts';
import type { Filter, Service } from '../core/filter.ts';
import type { FlagAnswer, FlagFacts, FlagSet } from '../core/flag-set.ts';
import { FlagTrees } from '../core/flag-trees.ts';
import type { Kit } from '../core/kit.ts';
import type { Policy } from '../core/policy.ts';
import type { Reply } from '../core/reply.ts';
import { joined } from '../policies/baggage.ts';
import { FlagCalls } from '../policies/flag-calls.ts';
import {
  agree,
  answerIn,
  type Carried,
  flagMember,
  flagReader,
  markMember,
  overridden,
  readAsked,
  valueIn,
  withRoom,
} from '../policies/flag-members.ts';
import { fieldOf } from '../policies/route-match.ts';
import { nameInAuthority } from '../policies/service-name.ts';

/** Who decides here, and by what. */
export interface FlagsSettings {
  /** Our own service, or empty. */
  readonly service: string;
  /** Our app may change what its tree carries. */
  readonly decides: boolean;
  /** Our app's `x-outrigger-flags` holds. */
  readonly tests: boolean;
  /** What a share of the callers is chosen by; null: the correlation id. */
  readonly targetingKey: { readonly in: 'baggage' | 'metadata'; readonly name: string } | null;
}

const plain: FlagsSettings = { service: '', decides: false, tests: false, targetingKey: null };

/**
 * Decides the flags of a call tree where it begins, and carries them in baggage.
 *
 * Above   route: so that a flag may choose the route
 * Reads   policy.flags, snapshot.flagSet, baggage; where a flag is targeted: the correlation id or what the settings name,
 *         the service named, the method; x-outrigger-flags
 * Answers nothing
 * Counts  outrigger_flags_dropped_total, outrigger_flags_refused_total, outrigger_flag_calls_total
 * Keeps   the members that each policy's flags make, for as long as the policy is in use; for one to two minutes what
 *         trees carry, with the filter `believe` on the way in
 * Status  alpha
 *
 * The first sidecar decides, and leaves its mark; a tree that has one gets no other answers. A call of a tree that came through us
 * carries what the tree did when it came, whatever the app says or forgets. A flag that the baggage of an unmarked call
 * carries already stays.
 */
export const flags = (
  { meter, clock }: Kit,
  { service, decides, tests, targetingKey }: FlagsSettings = plain,
  trees: FlagTrees = new FlagTrees(clock),
): Filter<Call> => {
  const dropped = meter.count('outrigger_flags_dropped_total');
  const widened = meter.count('outrigger_flags_refused_total', service || 'none', 'widened');
  const calls = new FlagCalls(meter);
  const read = flagReader();
  const written: WeakMap<Policy, Written> = new WeakMap();

  /** What is the same for all calls under a policy and definitions. */
  const write = (policy: Policy, set: FlagSet | null): Written => {
    const fixed = new Map(Object.entries(policy.flags));
    const members = [...fixed].map(flagMember);
    // What a policy says of a flag holds against its definition.
    for (const answer of set?.fixed ?? []) if (!fixed.has(answer[0])) members.push(flagMember(answer));
    if (set !== null) members.unshift(markMember(set.version, service));
    const made = { set, members, all: members.join(',') };
    written.set(policy, made);
    return made;
  };

  /** The call with these members behind what its baggage says beside flags, as far as there is room. */
  const carrying = (call: Call, before: string, members: readonly string[]): Call => {
    const { baggage, all } = withRoom(before, members);
    if (!all) dropped.value++;
    return baggage === call.baggage ? call : call.carrying(baggage);
  };

  const factsOf = (call: Call): FlagFacts => {
    const { arrival, baggage, id, method } = call;
    const { words, port, authority } = arrival;
    const key =
      targetingKey === null
        ? id
        : targetingKey.in === 'baggage'
          ? valueIn(baggage, targetingKey.name)
          : fieldOf(call, targetingKey.name);
    const called = words.service || port || nameInAuthority(authority).name;
    return { targetingKey: key || id, caller: service, service: called, method };
  };

  /** The first sidecar of the tree: its answers, those excepted that the call brings. */
  const decided = (call: Call, carried: Carried | null): Call => {
    const { policy, baggage, arrival } = call;
    const { flagSet } = call.snapshot;
    const known = written.get(policy);
    const { members, all } = known === undefined || known.set !== flagSet ? write(policy, flagSet) : known;
    const asked = tests && arrival.words.flags !== '' ? readAsked(arrival.words.flags) : null;
    const targeted = flagSet === null || flagSet.targeted === null ? [] : flagSet.targeted(factsOf(call));
    if (all === '' && asked === null) return call;
    if (carried === null && asked === null && targeted.length === 0) {
      const both = joined(baggage, all);
      if (both !== null) return call.carrying(both);
    }
    const said = asked === null ? (carried?.members ?? []) : overridden(carried, asked);
    const open = missing([...members, ...fromRules(policy, targeted)], said);
    if (asked === null && open.length === 0) return call;
    const [before, more] =
      asked === null ? [baggage, open] : [carried?.others ?? baggage, inFront(open, said)];
    return carrying(call, before, more);
  };

  /** A tree that came through us, or began here: what it carries. */
  const held = (call: Call, carried: Carried | null, noted: string): Call => {
    if (carried !== null) {
      if (carried.text === noted || agree(carried, read(noted)!)) return call;
      if (decides && carried.version !== '') return named(call, carried);
      widened.value++;
    }
    return carrying(call, carried === null ? call.baggage : carried.others, noted.split(','));
  };

  /** A tree that is marked and did not come through us, such as from a queue: our app says so, nobody else. */
  const named = (call: Call, { version, by, members, others }: Carried): Call =>
    by === service ? call : carrying(call, others, [markMember(version, service), ...members]);

  const watched = (call: Call, set: FlagSet, text: string, next: Service<Call>): Promise<Reply> => {
    const watching = calls.watch(call, set, text);
    try {
      return next(call);
    } catch (bug) {
      if (watching !== null) call.life.forget(watching);
      throw bug;
    }
  };

  return function flags(call, next) {
    const { flagSet } = call.snapshot;
    const noted = trees.of(call.id);
    const carried = read(call.baggage);
    const isMarked = carried !== null && carried.version !== '';
    const known =
      noted !== undefined
        ? held(call, carried, noted)
        : isMarked
          ? named(call, carried)
          : decided(call, carried);
    if (flagSet === null) return next(known);
    const now = known === call ? carried : read(known.baggage);
    if (now === null) return next(known);
    // Only whoever was given an id can be followed by another call with it.
    const { requestId, baggage } = call.arrival.words;
    const isGiven = requestId === call.id || (baggage !== '' && baggage.includes(call.id));
    if (noted === undefined && now.version !== '' && isGiven) trees.note(call.id, now.text);
    return watched(known, flagSet, now.text, next);
  };
};

/** What a policy's flags make together with definitions, as baggage says it. */
interface Written {
  readonly set: FlagSet | null;
  readonly members: readonly string[];
  readonly all: string;
}

const fromRules = (policy: Policy, answers: readonly FlagAnswer[]): string[] =>
  answers.filter(([flag]) => !Object.hasOwn(policy.flags, flag)).map(flagMember);

/** Those of `members` whose flag nothing in `said` is about. */
const missing = (members: readonly string[], said: readonly string[]): string[] => {
  if (said.length === 0) return [...members];
  const flags = new Set(said.map((member) => answerIn(member)?.[0]));
  return members.filter((member) => !member.startsWith(flagPrefix) || !flags.has(answerIn(member)![0]));
};

/** The mark stays in front, what was asked for comes next. */
const inFront = (open: readonly string[], said: readonly string[]): string[] =>
  open[0]?.startsWith(flagPrefix) === false ? [open[0], ...said, ...open.slice(1)] : [...said, ...open];
