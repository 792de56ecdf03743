import { Accounts } from './core/accounts.ts';
import type { Attempt, Call } from './core/call.ts';
import type { Cell } from './core/cell.ts';
import type { EndpointView, ServiceGateView } from './core/endpoint.ts';
import { FlagTrees } from './core/flag-trees.ts';
import type { Kit } from './core/kit.ts';
import { Progress } from './core/progress.ts';
import type { Discovery, ServiceView, Snapshot } from './core/snapshot.ts';
import { type Stack, stack } from './core/stack.ts';
import type { Tracing } from './core/trace.ts';
import { admit } from './filters/admit.ts';
import { type AuthorizeSettings, authorize } from './filters/authorize.ts';
import { balance, type Near } from './filters/balance.ts';
import { type BelieveSettings, believe } from './filters/believe.ts';
import { breaker } from './filters/breaker.ts';
import { context } from './filters/context.ts';
import { correlate } from './filters/correlate.ts';
import { type DeadlineSettings, deadline } from './filters/deadline.ts';
import { type DescribeSettings, describe } from './filters/describe.ts';
import { eject } from './filters/eject.ts';
import { type FaultSettings, fault } from './filters/fault.ts';
import { type FlagsSettings, flags } from './filters/flags.ts';
import { govern } from './filters/govern.ts';
import { type HedgeSettings, hedge } from './filters/hedge.ts';
import { type HopsSettings, hops } from './filters/hops.ts';
import { type ObserveSettings, observe } from './filters/observe.ts';
import { type RetrySettings, retry } from './filters/retry.ts';
import { type RouteSettings, route } from './filters/route.ts';
import { trace } from './filters/trace.ts';
import { traceAttempt } from './filters/trace-attempt.ts';
import { Latencies } from './policies/latencies.ts';
import { Repetitions } from './policies/repetitions.ts';

/** What the outbound filters look at beside the call. */
export interface OutboundParts {
  /** Where later snapshots come from, for calls that wait for the first answer about a name. */
  readonly snapshots: Cell<Snapshot>;
  readonly discovery: Discovery;
  /** The pool's endpoints of a service; the same list for the same view. */
  readonly endpoints: (service: ServiceView) => readonly EndpointView[];
  /** The pool's gate of a whole service. */
  readonly breakers: (service: ServiceView) => ServiceGateView | null;
  /** Where slow calls are remembered, for the calls on whose behalf they were made; absent: nobody asks. */
  readonly accounts?: Accounts;
  /** The calls on the way in, of which those on the way out should be a part; absent: there is no way in. */
  readonly progress?: Progress;
  /** What call trees on the way in carry, for those on the way out; absent: there is no way in. */
  readonly trees?: FlagTrees;
  /** Which of them stand in our zone; absent: nobody says. */
  readonly near?: Near;
  /** Tells of calls as spans; null or absent: tracing is off. */
  readonly tracing?: Tracing | null;
}

/** Settings of the outbound filters; what is absent has its filter's default. */
export interface OutboundSettings {
  readonly observe?: ObserveSettings;
  readonly hops?: HopsSettings;
  readonly deadline?: DeadlineSettings;
  readonly route?: RouteSettings;
  readonly retry?: RetrySettings;
  readonly faults?: FaultSettings;
  readonly flags?: FlagsSettings;
  readonly hedge?: HedgeSettings;
}

/** Settings of the inbound filters. */
export interface InboundSettings {
  /** Tells of calls as spans; null or absent: tracing is off. */
  readonly tracing?: Tracing | null;
  readonly observe?: ObserveSettings;
  /** Where the calls in progress are counted, for the way out; absent: nobody asks. */
  readonly progress?: Progress;
  readonly deadline?: DeadlineSettings;
  readonly describe?: DescribeSettings;
  readonly authorize: AuthorizeSettings;
  readonly believe?: BelieveSettings;
  /** Where it is remembered what call trees carry, for the way out; absent: nobody asks. */
  readonly trees?: FlagTrees;
  readonly faults?: FaultSettings;
}

/** What happens to a call from our app on its way to a peer, from the top. */
export const outbound = (
  kit: Kit,
  {
    snapshots,
    discovery,
    endpoints,
    breakers,
    near,
    accounts = new Accounts(''),
    progress = new Progress(),
    trees = new FlagTrees(kit.clock),
    tracing = null,
  }: OutboundParts,
  settings: OutboundSettings = {},
): Stack<Call, Attempt> => {
  const latencies = new Latencies(kit.clock);
  const repetitions = new Repetitions(kit, latencies);
  const race = { endpoints, repetitions, latencies };
  return stack<Call>()
    .use(correlate(kit, 'outbound')) //                         first, so that every line below can be told apart
    .maybe(tracing && trace(tracing, 'outbound')) //            above every refusal, so that refusals are spans too
    .use(observe(kit, 'outbound', settings.observe)) //         above every refusal, so that refusals are counted
    .use(context(kit, progress)) //                             above all that uses the context, so that what is counted is what the app said
    .use(hops(kit, settings.hops)) //                           above all that is done for a call, so that a circle ends cheaply
    .use(govern()) //                                           above all that can be tuned, so that they read one policy
    .use(deadline(kit, 'outbound', settings.deadline, { latencies, accounts })) // above all that waits, so that waiting costs the caller's time
    .use(fault(kit, 'outbound', settings.faults)) //            above all defences, so that none hides a fault, and none is misled by it
    .use(flags(kit, settings.flags, trees)) //                  before route, so that a flag may choose the route
    .use(route(kit, snapshots, discovery, settings.route)) //   Call -> RoutedCall, so that all below know whose endpoints there are
    .use(admit(kit, snapshots)) //                              above retry, so that a call holds one place however often it is tried
    .use(breaker(kit, breakers)) //                             one service; above retry, so that one known to be down costs no attempt
    .use(retry(kit, endpoints, repetitions, settings.retry)) // above balance, so that another attempt meets another endpoint
    .use(hedge(kit, race, settings.hedge)) //                   beside retry, so that a call has the one or the other
    .use(balance(kit, endpoints, near)) //                      RoutedCall -> Attempt; skips shut gates, so that a refusal costs no attempt
    .maybe(tracing && traceAttempt()) //                        one endpoint, so that what its peer does has the attempt as parent
    .use(eject(kit)); //                                        judges one endpoint, so that balance learns
};

/** What happens to a call from a peer on its way to our app, from the top. */
export const inbound = (kit: Kit, settings: InboundSettings): Stack<Call, Call> =>
  stack<Call>()
    .use(correlate(kit, 'inbound')) //                          first, so that every line below can be told apart
    .maybe(settings.tracing ? trace(settings.tracing, 'inbound') : null) // above every refusal, so that refusals are spans too
    .use(observe(kit, 'inbound', settings.observe, settings.progress)) // above every refusal, so that refusals are counted
    .use(deadline(kit, 'inbound', settings.deadline)) //        above the app, so that no work is done for a caller that has given up
    .use(describe(settings.describe)) //                        above authorize, so that whoever may connect may read our contract
    .use(authorize(kit, settings.authorize)) //                 above all that is done for a caller, so that nobody has it who may not call
    .use(believe(kit, settings.believe, settings.trees)) //     above the app, so that it sees no flag that nobody may decide
    .use(fault(kit, 'inbound', settings.faults)); //            last before the app, so that a fault looks like the app's own

/** What happens to a call that its listener cannot take, such as one with a malformed path. */
export const refusing = (
  kit: Kit,
  direction: 'outbound' | 'inbound',
  settings?: ObserveSettings,
  tracing: Tracing | null = null,
): Stack<Call, Call> =>
  stack<Call>()
    .use(correlate(kit, direction)) //                          as above, so that this refusal has an id too
    .maybe(tracing && trace(tracing, direction)) //             as above, so that it is a span too
    .use(observe(kit, direction, settings)); //                 as above, so that it is counted among the others
