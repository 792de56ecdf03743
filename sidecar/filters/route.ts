import type { Arrival, Call, RoutedCall } from '../core/call.ts';
import type { Cell } from '../core/cell.ts';
import type { EndpointView } from '../core/endpoint.ts';
import type { Filter, Service } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import { nearNames } from '../core/near-names.ts';
import { type Reply, refusal } from '../core/reply.ts';
import type { Discovery, ServiceView, Snapshot } from '../core/snapshot.ts';
import { Code, refused } from '../core/status.ts';
import { FirstAnswers } from '../policies/first-answers.ts';
import { type Named, nameInAuthority, plainName } from '../policies/service-name.ts';

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
const mostNames = 1024;

/**
 * Finds the service that a call means: Call -> RoutedCall.
 *
 * Above   retry and balance: so that they know whose endpoints there are
 * Reads   x-outrigger-service, else the port dialled, else :authority; snapshot.services, snapshot.asked
 * Answers INVALID_ARGUMENT to a call that names no service; UNAVAILABLE to a name never seen, or without instances
 * Counts  outrigger_unrouted_total, outrigger_route_waits_total
 * Keeps   what up to 1,024 spellings mean under the latest snapshot; the calls that wait for a first answer
 * Status  alpha
 */
export const route = (
  kit: Kit,
  snapshots: Cell<Snapshot>,
  discovery: Discovery,
  settings: RouteSettings = routeDefaults,
): Filter<Call, RoutedCall> => {
  const names = new Names();
  const firstAnswers = new FirstAnswers(kit, snapshots, settings);
  const refuse = (call: Call, reason: string, code: Code, message: string): Promise<Reply> => {
    kit.meter.count('outrigger_unrouted_total', reason).value++;
    kit.log.debug({ id: call.id, reason }, message);
    return refusal(refused(code, message));
  };

  /** Decides by what `call.snapshot` knows; a name without an answer yet waits, unless `waited`. */
  const decide = (call: Call, name: string, next: Service<RoutedCall>, waited: boolean): Promise<Reply> => {
    const { services, asked } = call.snapshot;
    const service = services.get(name);
    if (service !== undefined && service.endpoints.length > 0) return next({ call, service, met: notMet });
    discovery.want(name);
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

  return function route(call, next) {
    const service = names.known(call);
    if (service !== undefined) return next({ call, service, met: notMet });
    const { name, misnamed } = named(call.arrival);
    if (misnamed !== null) return refuse(call, misnamed, Code.INVALID_ARGUMENT, explain(call.arrival));
    return decide(call, name, next, false);
  };
};

const spelling = ({ words, port, authority }: Arrival): string => words.service || port || authority;

const named = (arrival: Arrival): Named =>
  arrival.words.service || arrival.port ? plainName(spelling(arrival)) : nameInAuthority(arrival.authority);

/** Remembers what each spelling means, for as long as the snapshot holds. */
class Names {
  #snapshot: Snapshot | null = null;
  #byAuthority: Map<string, ServiceView> = new Map();

  /** The service with at least one endpoint that the call names, or undefined. */
  known(call: Call): ServiceView | undefined {
    const { arrival, snapshot } = call;
    // A plain name is its own spelling; only an authority has several.
    if (arrival.words.service || arrival.port) return present(snapshot, spelling(arrival));
    if (snapshot !== this.#snapshot) {
      this.#snapshot = snapshot;
      this.#byAuthority = new Map();
    }
    const known = this.#byAuthority.get(arrival.authority);
    if (known !== undefined) return known;
    const service = present(snapshot, nameInAuthority(arrival.authority).name);
    if (service !== undefined) {
      if (this.#byAuthority.size >= mostNames) this.#byAuthority.clear();
      this.#byAuthority.set(arrival.authority, service);
    }
    return service;
  }
}

const present = (snapshot: Snapshot, name: string): ServiceView | undefined => {
  const service = snapshot.services.get(name);
  return service !== undefined && service.endpoints.length > 0 ? service : undefined;
};

const unknown = (name: string, snapshot: Snapshot, discovery: Discovery): string => {
  const near = nearNames(name, seenNames(snapshot));
  const hint = near.length === 0 ? 'no known name is near it' : `known names near it: ${near.join(', ')}`;
  return `no service '${name}' has been seen: ${discovery.describe(name)}; ${hint}`;
};

/** Names that had an instance at some time; no more than are worth comparing for one message. */
function* seenNames({ services, asked }: Snapshot): Generator<string> {
  let left = mostNames;
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
