import type { Arrival, Call, RoutedCall } from '../core/call.ts';
import type { Cell } from '../core/cell.ts';
import type { EndpointView } from '../core/endpoint.ts';
import type { Filter, Service } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import { nearNames } from '../core/near-names.ts';
import { type Reply, refusal } from '../core/reply.ts';
import type { RouteRule, RouteTable } from '../core/routes.ts';
import type { Discovery, ServiceView, Snapshot } from '../core/snapshot.ts';
import { Code, refused } from '../core/status.ts';
import { FirstAnswers } from '../policies/first-answers.ts';
import { KnownNames } from '../policies/known-names.ts';
import { rewritten } from '../policies/rewrite.ts';
import { ruleFinder } from '../policies/route-match.ts';
import { type Named, nameInAuthority, plainName } from '../policies/service-name.ts';
import { legOf } from '../policies/split.ts';
import { TimeLimit } from '../policies/time-limit.ts';

/** How long a call may wait to learn of its service. */
export interface RouteSettings {
  /** Longest wait for the first answer about a name, milliseconds. */
  readonly firstAnswerMs: number;
  /** Most calls that wait so; more are refused at once. */
  readonly mostWaiting: number;
}

/** A second, as the first watch of a name takes milliseconds on a healthy agent. */
export const routeDefaults: RouteSettings = { firstAnswerMs: 1000, mostWaiting: 1024 };

const notMet: readonly EndpointView[] = [];
const mostCompared = 1024;

/**
 * Finds the service that a call means: Call -> RoutedCall.
 *
 * Above   retry and balance: so that they know whose endpoints there are
 * Reads   x-outrigger-service, else the port dialled, else :authority; snapshot.services, asked, routes and targets;
 *         where a name has routes: the path, the fields, the correlation id
 * Answers INVALID_ARGUMENT to a call that names no service; UNAVAILABLE to a name never seen, or without instances;
 *         UNIMPLEMENTED where no route fits, or one makes no method of the path; DEADLINE_EXCEEDED by a route's timeout
 * Counts  outrigger_unrouted_total, outrigger_route_waits_total, outrigger_deadline_expired_total
 * Keeps   what up to 1,024 spellings mean under the latest snapshot; the calls that wait for a first answer; the
 *         machines of patterns in routes
 * Status  alpha
 *
 * A name without routes costs one look-up. With routes the first rule that fits decides, then the correlation id
 * which leg of a split is taken, then the first target that has an instance: gates are a matter of balance.
 */
export const route = (
  kit: Kit,
  snapshots: Cell<Snapshot>,
  discovery: Discovery,
  settings: RouteSettings = routeDefaults,
): Filter<Call, RoutedCall> => {
  const names = new KnownNames(discovery);
  const firstAnswers = new FirstAnswers(kit, snapshots, settings);
  const ruleOf = ruleFinder();
  const expired = kit.meter.count('outrigger_deadline_expired_total', 'outbound');
  const refuse = (call: Call, reason: string, code: Code, message: string): Promise<Reply> => {
    kit.meter.count('outrigger_unrouted_total', reason).value++;
    kit.log.debug({ id: call.id, reason }, message);
    return refusal(refused(code, message));
  };

  /** Decides by what `call.snapshot` knows; a name without an answer yet waits, unless `waited`. */
  const decide = (call: Call, name: string, next: Service<RoutedCall>, waited: boolean): Promise<Reply> => {
    const { services, asked, routes } = call.snapshot;
    discovery.want(name);
    const table = routes.get(name) ?? null;
    if (table !== null) return divide(call, table, next);
    const service = services.get(name);
    if (service !== undefined && service.endpoints.length > 0) return next({ call, service, met: notMet });
    const seen = asked.get(name);
    if (seen === undefined && service === undefined && !waited) {
      const waiting = firstAnswers.wait(call, name, (later) => decide(later, name, next, true));
      if (waiting !== null) return waiting;
      return refuse(
        call,
        'crowded',
        Code.UNAVAILABLE,
        `service '${name}' is not known yet, and ${settings.mostWaiting} calls wait for a first answer already`,
      );
    }
    if (seen !== false && (service !== undefined || seen))
      return refuse(
        call,
        'empty',
        Code.UNAVAILABLE,
        `service '${name}' has no instance now, though it had: ${discovery.describe(name)}`,
      );
    return refuse(call, 'unknown', Code.UNAVAILABLE, unknown(name, call.snapshot, discovery));
  };

  /** Goes where the routes of the name lead. */
  const divide = (call: Call, table: RouteTable, next: Service<RoutedCall>): Promise<Reply> => {
    const { name } = table;
    const rule = ruleOf(table, call);
    if (rule === null)
      return refuse(call, 'no-route', Code.UNIMPLEMENTED, `no route of '${name}' fits ${call.method}`);
    const method = rewritten(rule, call.method);
    if (method === null)
      return refuse(
        call,
        'rewrite',
        Code.UNIMPLEMENTED,
        `a route of '${name}' makes no gRPC method of ${call.method}: its PrefixRewrite is '${rule.rewrite}'`,
      );
    const targets = legOf(rule.legs, name, call.id)?.targets ?? [];
    const service = firstPresent(call.snapshot, targets);
    if (service === null) {
      const none =
        targets.length === 0 ? 'no target that can be called' : `${targets.join(', then ')}: no instance`;
      return refuse(
        call,
        'empty',
        Code.UNAVAILABLE,
        `the route of '${name}' leads to ${none}; ${discovery.describe(name)}`,
      );
    }
    const same = method === call.method ? call : call.rewritten(method);
    return within(same, table, rule, (bounded) => next({ call: bounded, service, met: notMet }));
  };

  /** Hands the call on within the time that its route grants. */
  const within = (
    call: Call,
    { name }: RouteTable,
    { timeoutMs }: RouteRule,
    go: Service<Call>,
  ): Promise<Reply> => {
    // What the file or KV says beats what an entry grants.
    if (timeoutMs === null || 'timeout' in call.policy.origins) return go(call);
    const endAt = kit.clock.now() + timeoutMs;
    if (endAt >= call.deadlineAt) return go(call);
    const limit = new TimeLimit(call.life, kit.wheel, endAt, (doing) => {
      expired.value++;
      return `the caller's sidecar: the ${timeoutMs} ms that a route of '${name}' grants have passed; when it ended the call was ${doing}`;
    });
    try {
      return go(call.until(endAt));
    } catch (bug) {
      limit.forget();
      throw bug;
    }
  };

  return function route(call, next) {
    const meaning = names.of(call);
    if (meaning !== undefined) {
      const { table, service } = meaning;
      return table === null ? next({ call, service, met: notMet }) : divide(call, table, next);
    }
    const { name, misnamed } = named(call.arrival);
    if (misnamed !== null) return refuse(call, misnamed, Code.INVALID_ARGUMENT, explain(call.arrival));
    return decide(call, name, next, false);
  };
};

const spelling = ({ words, port, authority }: Arrival): string => words.service || port || authority;

const named = (arrival: Arrival): Named =>
  arrival.words.service || arrival.port ? plainName(spelling(arrival)) : nameInAuthority(arrival.authority);

/** The first of the targets that has an instance. */
const firstPresent = ({ targets }: Snapshot, keys: readonly string[]): ServiceView | null => {
  for (const key of keys) {
    const view = targets.get(key);
    if (view !== undefined && view.endpoints.length > 0) return view;
  }
  return null;
};

const unknown = (name: string, snapshot: Snapshot, discovery: Discovery): string => {
  const near = nearNames(name, seenNames(snapshot));
  const hint = near.length === 0 ? 'no known name is near it' : `known names near it: ${near.join(', ')}`;
  return `no service '${name}' has been seen: ${discovery.describe(name)}; ${hint}`;
};

/** Names that had an instance at some time; no more than are worth comparing for one message. */
function* seenNames({ services, asked }: Snapshot): Generator<string> {
  let left = mostCompared;
  for (const name of services.keys()) if (asked.get(name) !== false && left-- > 0) yield name;
  for (const [name, seen] of asked) if (seen && !services.has(name) && left-- > 0) yield name;
}

const explain = ({ words, port, authority }: Arrival): string => {
  if (words.service !== '')
    return `x-outrigger-service is not a service name: '${words.service.slice(0, 64)}'`;
  if (port !== '') return `the upstream of the dialled port is not a service name: '${port.slice(0, 64)}'`;
  const said = authority === '' ? 'the call has no :authority' : `:authority is '${authority.slice(0, 64)}'`;
  return (
    `${said}, which names no service: set the channel's authority to the service's name ` +
    "(grpc.default_authority in C++, Python, Ruby and Node, WithAuthority in Go, overrideAuthority in Java), such as 'inventory', " +
    'or send it in the metadata x-outrigger-service, or dial the port of an upstream'
  );
};
