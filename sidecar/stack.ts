import type { Attempt, Call } from './core/call.ts';
import type { Cell } from './core/cell.ts';
import type { EndpointView } from './core/endpoint.ts';
import type { Kit } from './core/kit.ts';
import type { Discovery, ServiceView, Snapshot } from './core/snapshot.ts';
import { type Stack, stack } from './core/stack.ts';
import { type AuthorizeSettings, authorize } from './filters/authorize.ts';
import { balance } from './filters/balance.ts';
import { correlate } from './filters/correlate.ts';
import { type DeadlineSettings, deadline } from './filters/deadline.ts';
import { eject } from './filters/eject.ts';
import { flags } from './filters/flags.ts';
import { govern } from './filters/govern.ts';
import { type HedgeSettings, hedge } from './filters/hedge.ts';
import { type ObserveSettings, observe } from './filters/observe.ts';
import { type RetrySettings, retry } from './filters/retry.ts';
import { type RouteSettings, route } from './filters/route.ts';
import { Latencies } from './policies/latencies.ts';
import { Repetitions } from './policies/repetitions.ts';

/** What the outbound filters look at beside the call. */
export interface OutboundParts {
  /** Where later snapshots come from, for calls that wait for the first answer about a name. */
  readonly snapshots: Cell<Snapshot>;
  readonly discovery: Discovery;
  /** The pool's endpoints of a service; the same list for the same view. */
  readonly endpoints: (service: ServiceView) => readonly EndpointView[];
}

/** Settings of the outbound filters; what is absent has its filter's default. */
export interface OutboundSettings {
  readonly observe?: ObserveSettings;
  readonly deadline?: DeadlineSettings;
  readonly route?: RouteSettings;
  readonly retry?: RetrySettings;
  readonly hedge?: HedgeSettings;
}

/** Settings of the inbound filters. */
export interface InboundSettings {
  readonly observe?: ObserveSettings;
  readonly deadline?: DeadlineSettings;
  readonly authorize: AuthorizeSettings;
}

/** What happens to a call from our app on its way to a peer, from the top. */
export const outbound = (
  kit: Kit,
  { snapshots, discovery, endpoints }: OutboundParts,
  settings: OutboundSettings = {},
): Stack<Call, Attempt> => {
  const latencies = new Latencies(kit.clock);
  const repetitions = new Repetitions(kit, latencies);
  const race = { endpoints, repetitions, latencies };
  return stack<Call>()
    .use(correlate(kit, 'outbound')) //                         first, so that every line below can be told apart
    .use(observe(kit, 'outbound', settings.observe)) //         above every refusal, so that refusals are counted
    .use(govern()) //                                           above all that can be tuned, so that they read one policy
    .use(deadline(kit, 'outbound', settings.deadline)) //       above all that waits, so that waiting costs the caller's time
    .use(flags(kit)) //                                         before route, so that a flag may choose the route
    .use(route(kit, snapshots, discovery, settings.route)) //   Call -> RoutedCall, so that all below know whose endpoints there are
    .use(retry(kit, endpoints, repetitions, settings.retry)) // above balance, so that another attempt meets another endpoint
    .use(hedge(kit, race, settings.hedge)) //                   beside retry, so that a call has the one or the other
    .use(balance(kit, endpoints)) //                            RoutedCall -> Attempt; skips shut gates, so that a refusal costs no attempt
    .use(eject(kit)); //                                        judges one endpoint, so that balance learns
};

/** What happens to a call from a peer on its way to our app, from the top. */
export const inbound = (kit: Kit, settings: InboundSettings): Stack<Call, Call> =>
  stack<Call>()
    .use(correlate(kit, 'inbound')) //                          first, so that every line below can be told apart
    .use(observe(kit, 'inbound', settings.observe)) //          above every refusal, so that refusals are counted
    .use(deadline(kit, 'inbound', settings.deadline)) //        above the app, so that no work is done for a caller that has given up
    .use(authorize(kit, settings.authorize)); //                last before the app, so that it sees nobody who may not call

/** What happens to a call that its listener cannot take, such as one with a malformed path. */
export const refusing = (
  kit: Kit,
  direction: 'outbound' | 'inbound',
  settings?: ObserveSettings,
): Stack<Call, Call> =>
  stack<Call>()
    .use(correlate(kit, direction)) //                          as above, so that this refusal has an id too
    .use(observe(kit, direction, settings)); //                 as above, so that it is counted among the others
