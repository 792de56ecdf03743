import { Code } from './status.ts';

/** How an endpoint is chosen: the quicker or the less loaded of two met by chance, or one after the other. */
export type Balance = 'peak-ewma' | 'two-choices' | 'round-robin';

/** Whether a limiter acts, or only counts what it would have done. */
export type Mode = 'off' | 'shadow' | 'on';

/** Where a service runs for whoever hosts it: in the same process, or behind its sidecar. */
export type Placement = 'local' | 'mesh';

/** A fault that is made on purpose, for a share of the calls. */
export interface Fault {
  /** Share of the calls, 0 to 100. */
  readonly percent: number;
  /** Milliseconds to wait first. */
  readonly delay?: number | undefined;
  /** Then: a gRPC code that is answered, the stream reset, or silence until the deadline; absent: the call goes on. */
  readonly abort?: Code | 'reset' | 'drop' | undefined;
}

/**
 * Everything that can be tuned of calls to one service or one of its methods, in the words of the file and of KV.
 * Times are milliseconds. A new word stands here, in `builtIn` and in the schema, and nowhere else: layers are
 * merged value by value without knowing the words.
 */
export interface PolicyValues {
  /** Deadline of a call that has none, and the most that another is granted; null: none. Ref: gRFC A2, `timeout`. */
  readonly timeout: number | null;
  /** Deadline of a call that has none and whose method is known to be unary; null: none. */
  readonly 'unary-timeout': number | null;
  /** A call without any deadline ends when no byte went either way for this long. */
  readonly 'idle-stream': number;
  /** The method takes one message and answers with one. The contract says so, or a setting; false: nobody knows. */
  readonly unary: boolean;
  /** The method may be executed twice: the contract's `idempotency_level`, or a setting. */
  readonly idempotent: boolean;
  readonly balance: Balance;
  /** Flags and their variants, carried in baggage. */
  readonly flags: Readonly<Record<string, string>>;
  readonly retry: {
    /** Tries of one call in all, the first included; 1: it is never tried again. Ref: gRFC A6, `maxAttempts`. */
    readonly attempts: number;
    /** Codes that are tried again, of idempotent methods alone. Ref: gRFC A6, `retryableStatusCodes`. */
    readonly codes: readonly Code[];
    /** Before the first repetition, before jitter; doubled each time. Ref: gRFC A6, `initialBackoff`. */
    readonly 'first-wait': number;
    /** No wait is longer. Ref: gRFC A6, `maxBackoff`. */
    readonly 'longest-wait': number;
  };
  readonly hedge: {
    /** When another attempt begins beside one that has not answered; `p95`: as the method's calls took; null: never. */
    readonly after: number | 'p95' | null;
    /** Attempts of one call in all. */
    readonly attempts: number;
  };
  /** The most that repetitions and hedges may add to the calls of a service. Of a service, never of a method. */
  readonly budget: {
    readonly mode: Mode;
    /** Share of the calls of the last ten seconds, 0 to 100. */
    readonly percent: number;
    /** And so many a second beside it. */
    readonly floor: number;
  };
  /** Ref: gRFC A6, `retryThrottling`. Of a service, never of a method. */
  readonly tokens: {
    /** Tokens when all goes well, of which each failure takes one; at half of them nothing is repeated. Null: off. */
    readonly most: number | null;
    /** What a call that goes well gives back. */
    readonly ratio: number;
  };
  /** Time to connect to an endpoint, TLS included. Of a service, never of a method: its calls share connections. */
  readonly connect: number;
  /** Takes an endpoint out of balancing. Of a service, never of a method. */
  readonly eject: {
    readonly mode: Mode;
    /** Failures in a row that shut an endpoint's gate. */
    readonly failures: number;
    /** Share of calls that must go well within ten seconds, 0 to 100; below it the gate shuts. */
    readonly success: number;
    /** Calls within ten seconds without which the share says nothing. */
    readonly calls: number;
    /** Share of a service's endpoints that may be out at one time, 0 to 100; never the last one. */
    readonly most: number;
  };
  /** Refuses calls to a service of which all that is left fails. Of a service, never of a method. */
  readonly breaker: {
    readonly mode: Mode;
    /** Failures in a row that shut the service's gate. */
    readonly failures: number;
  };
  /** Refuses a share of the calls to a service that refuses most of them. Of a service, never of a method. */
  readonly throttle: {
    readonly mode: Mode;
    /** How many times the calls that were accepted may be tried; 2: half of them may be refused. */
    readonly factor: number;
  };
  /** Refuses calls that have less time left than half of the method's calls took. */
  readonly doomed: { readonly mode: Mode };
  /** Calls in flight, and calls that wait for one to end; more are refused. Of a service, never of a method. */
  readonly limit: {
    readonly 'in-flight': number;
    readonly waiting: number;
  };
  /** Time in which an endpoint that has just come gets up to its full share; 0: at once. Of a service. */
  readonly 'slow-start': number;
  /** Whether endpoints of our own zone are called first. Of a service. */
  readonly zone: 'prefer' | 'ignore';
  /** Where calls go of an app that hosts the service itself: to its own process, or out. Of a service. */
  readonly placement: Placement;
  /** Faults made on purpose; they act only where the settings file enables them. */
  readonly faults: readonly Fault[];
}

/** What one document says; what is absent is left to those below it. */
export type PolicyWords = {
  readonly [Word in keyof PolicyValues]?:
    | (PolicyValues[Word] extends readonly unknown[]
        ? PolicyValues[Word]
        : PolicyValues[Word] extends object
          ? { readonly [Part in keyof PolicyValues[Word]]?: PolicyValues[Word][Part] | undefined }
          : PolicyValues[Word])
    | undefined;
};

/** Who speaks, from the least to the most: the service's contract, Consul's config entries, the settings file, Consul's KV. */
export type PolicyLayer = 'contract' | 'entries' | 'file' | 'kv';

/** One thing that is said of calls. */
export interface PolicyRule {
  readonly layer: PolicyLayer;
  /** The service as callers name it; `*`: every service. */
  readonly service: string;
  /** `/shop.Inventory/Get`, `/shop.Inventory/*`, or empty: every method. */
  readonly method: string;
  readonly words: PolicyWords;
  /** Where it is said, for people: `kv outrigger/policy/inventory`, `consul entry service-resolver/inventory`. */
  readonly origin: string;
}

/** A policy that is not used, or that may be missing. */
export interface PolicyFault {
  /** As in `PolicyRule`. */
  readonly origin: string;
  /** The cause, the place and the fix. */
  readonly problem: string;
}

/** What holds for a call, frozen. */
export interface Policy extends PolicyValues {
  /** Where each value was said, by its path: `timeout`, `flags.express`, `retry.attempts`. */
  readonly origins: Readonly<Record<string, string>>;
}

/** What holds for the calls to one service. */
export interface ServicePolicy {
  readonly all: Policy;
  /** By what rules call a method; null where no method has a policy of its own. */
  readonly methods: ReadonlyMap<string, Policy> | null;
}

/** What holds for every call, merged from all layers. */
export interface Policies {
  /** For services that nobody speaks of. */
  readonly any: ServicePolicy;
  readonly services: ReadonlyMap<string, ServicePolicy>;
  readonly faults: readonly PolicyFault[];
  /** What values of them do to each other, in words; they hold all the same. */
  readonly conflicts: readonly string[];
}

/** What holds where nobody says anything. */
export const builtIn: PolicyValues = Object.freeze({
  timeout: null,
  'unary-timeout': 15_000, // as Envoy's route timeout
  'idle-stream': 300_000, // five minutes, as Envoy's stream idle timeout
  unary: false,
  idempotent: false,
  balance: 'peak-ewma', // a slow endpoint gets less by itself
  flags: Object.freeze({}),
  retry: Object.freeze({
    attempts: 3,
    codes: Object.freeze([Code.UNAVAILABLE]),
    'first-wait': 25, // as Envoy's base
    'longest-wait': 250,
  }),
  hedge: Object.freeze({ after: null, attempts: 2 }),
  budget: Object.freeze({ mode: 'on', percent: 10, floor: 2 }), // at 20 % and 10/s a chain of four multiplies an outage
  tokens: Object.freeze({ most: null, ratio: 0.1 }),
  connect: 2000,
  eject: Object.freeze({ mode: 'on', failures: 5, success: 80, calls: 5, most: 50 }), // as Envoy and Finagle; half, for pairs
  breaker: Object.freeze({ mode: 'on', failures: 5 }),
  throttle: Object.freeze({ mode: 'shadow', factor: 2 }), // as in Google's SRE book
  doomed: Object.freeze({ mode: 'shadow' }),
  limit: Object.freeze({ 'in-flight': 1024, waiting: 1024 }), // as Envoy's max_requests and max_pending_requests
  'slow-start': 10_000,
  zone: 'prefer',
  placement: 'local', // whoever hosts a service means it, until somebody says otherwise
  faults: Object.freeze([]),
});

/** The policies of a mesh in which nobody says anything. */
export const unruled = (values: PolicyValues = builtIn): Policies => {
  const all: Policy = Object.freeze({ ...values, origins: Object.freeze({}) });
  return Object.freeze({
    any: Object.freeze({ all, methods: null }),
    services: new Map(),
    faults: Object.freeze([]),
    conflicts: Object.freeze([]),
  });
};

/** What holds for calls to `service`, the name that callers use. */
export const policyOf = ({ any, services }: Policies, service: string): ServicePolicy =>
  services.get(service) ?? any;

/** What holds for one method, `/package.Service/Method`: its own, else that of all of `/package.Service/*`. */
export const methodPolicy = ({ all, methods }: ServicePolicy, method: string): Policy =>
  methods === null
    ? all
    : (methods.get(method) ?? methods.get(`${method.slice(0, method.lastIndexOf('/') + 1)}*`) ?? all);
