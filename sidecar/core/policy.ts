/** How an endpoint is chosen: the less loaded of two met by chance, or one after the other. */
export type Balance = 'two-choices' | 'round-robin';

/**
 * Everything that can be tuned of calls to one service or one of its methods, in the words of the file and of KV.
 * Times are milliseconds. A new word stands here, in `builtIn` and in the schema, and nowhere else: layers are
 * merged value by value without knowing the words.
 */
export interface PolicyValues {
  /** Deadline of a call that has none, and the most that another is granted; null: none. Ref: gRFC A2, `timeout`. */
  readonly timeout: number | null;
  /** A call without any deadline ends when no byte went either way for this long. */
  readonly 'idle-stream': number;
  readonly balance: Balance;
  /** Flags and their variants, carried in baggage. */
  readonly flags: Readonly<Record<string, string>>;
  readonly retry: {
    /** Tries of one call in all, the first included; 1: it is never tried again. Ref: gRFC A6, `maxAttempts`. */
    readonly attempts: number;
  };
  /** Time to connect to an endpoint, TLS included. Of a service, never of a method: its calls share connections. */
  readonly connect: number;
  readonly eject: {
    /** Failures in a row that shut an endpoint's gate. Of a service, never of a method. */
    readonly failures: number;
  };
}

/** What one document says; what is absent is left to those below it. */
export type PolicyWords = {
  readonly [Word in keyof PolicyValues]?:
    | (PolicyValues[Word] extends object
        ? { readonly [Part in keyof PolicyValues[Word]]?: PolicyValues[Word][Part] | undefined }
        : PolicyValues[Word])
    | undefined;
};

/** Who speaks, from the least to the most: Consul's config entries, the settings file, Consul's KV. */
export type PolicyLayer = 'entries' | 'file' | 'kv';

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
}

/** What holds where nobody says anything. */
export const builtIn: PolicyValues = Object.freeze({
  timeout: null,
  'idle-stream': 300_000, // five minutes, as Envoy's stream idle timeout
  balance: 'two-choices', // a slow endpoint gets less by itself
  flags: Object.freeze({}),
  retry: Object.freeze({ attempts: 3 }),
  connect: 2000,
  eject: Object.freeze({ failures: 5 }), // as Envoy and Finagle
});

/** The policies of a mesh in which nobody says anything. */
export const unruled = (values: PolicyValues = builtIn): Policies => {
  const all: Policy = Object.freeze({ ...values, origins: Object.freeze({}) });
  return Object.freeze({
    any: Object.freeze({ all, methods: null }),
    services: new Map(),
    faults: Object.freeze([]),
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
