import type { Address } from '../core/endpoint.ts';
import type { PolicyRule } from '../core/policy.ts';
import type { Intention } from '../core/snapshot.ts';
import type { Place } from './address.ts';
import type { Drain, Limits } from './limits.ts';

/**
 * Settings is the file after defaults, checks and resolution: frozen, and plain enough to be written as JSON.
 * Paths are absolute, times are milliseconds, sizes are bytes.
 */
export interface Settings {
  /** Null only for a plain outbound proxy: static discovery and identity none. */
  readonly service: ServiceSettings | null;
  readonly listen: ListenSettings;
  readonly discovery: ConsulDiscovery | StaticDiscovery;
  readonly identity: IdentitySettings;
  /** Where what Consul said last is kept; `default`: where this host keeps state, if anywhere. */
  readonly stateDir: { readonly path: string } | 'default' | 'none';
  /** True where plaintext may leave this machine. */
  readonly allowPlaintextPeers: boolean;
  /** Where others find our peers port; null: where the listener is, on the address that Consul knows. */
  readonly advertise: { readonly host: string; readonly port: number | null } | null;
  /** Service name to the listener that stands for it. */
  readonly upstreams: Readonly<Record<string, Place>>;
  readonly flags: Readonly<Record<string, string>>;
  /** Who decides flags, and from what. */
  readonly flagging: FlaggingSettings;
  /** What the file says of how calls are treated, `balance` and `flags` included. */
  readonly policies: readonly PolicyRule[];
  /** Null where the file says nothing, so that the source decides. */
  readonly intentions: readonly Intention[] | null;
  /** True where intentions refuse nobody, and tell whom they would. */
  readonly auditsIntentions: boolean;
  /** Whose faults act: those of policies, and those that these services ask for. */
  readonly faults: { readonly policies: boolean; readonly from: readonly string[] };
  readonly limits: Limits;
  readonly drain: Drain;
  /** `access`: the share of the calls that went well that leave a line; null: no call does. */
  readonly log: { readonly level: LogLevel; readonly access: number | null };
}

/** Who decides flags, and from what. */
export interface FlaggingSettings {
  /** Definitions in a file; null: in Consul's KV alone. */
  readonly file: string | null;
  /** What a share of the callers is chosen by; null: the correlation id. */
  readonly targetingKey: { readonly in: 'baggage' | 'metadata'; readonly name: string } | null;
  /** Services whose flags are believed; null: everybody's. */
  readonly deciders: readonly string[] | null;
  /** Services whose `x-outrigger-flags` holds. */
  readonly testers: readonly string[];
}

/** The app beside us. */
export interface ServiceSettings {
  readonly name: string;
  /** Where the app answers; null for a pure caller. */
  readonly app: Place | null;
  /** How the app's own health is asked: `grpc` by grpc.health.v1, `tcp` by connecting. */
  readonly check: 'grpc' | 'tcp' | 'none';
  /** What Consul says of us beside; subsets are made of it. Absent: nothing. */
  readonly meta?: Readonly<Record<string, string>>;
  readonly tags?: readonly string[];
  /** Where what callers learn of its methods comes from. Absent: auto. */
  readonly contract?: ContractSettings;
}

/**
 * What callers learn of the app's methods. `auto`: what its reflection says, if it has any; `reflection`: the same, and
 * told when it has none; or the contract in a descriptor set, as it was when the settings were read.
 */
export type ContractSettings =
  | 'auto'
  | 'reflection'
  | 'none'
  | { readonly path: string; readonly hash: string; readonly document: string };

/** The sidecar's own listeners. */
export interface ListenSettings {
  readonly app: Place;
  /** Null where there is no app that could answer a peer. */
  readonly peers: Place | null;
  readonly admin: { readonly host: string; readonly port: number };
  /** Null where there is none. */
  readonly health: { readonly host: string; readonly port: number } | null;
  /** `default`: in the user's runtime directory, named after the service and the admin port. */
  readonly control: { readonly path: string } | 'default' | 'none';
}

/** Peers come from a Consul agent. */
export interface ConsulDiscovery {
  readonly from: 'consul';
  /** `http://host:port` or `https://host:port`, without a path. */
  readonly url: string;
  readonly tokenFile: string | null;
  /** PEM files for HTTPS; null: the system's roots, and no certificate of our own. */
  readonly caFile: string | null;
  readonly certFile: string | null;
  readonly keyFile: string | null;
  /** Name in the agent's certificate; null: the URL's host. */
  readonly serverName: string | null;
  /** False where the agent's certificate is not looked at. */
  readonly verify: boolean;
}

/** Peers stand in the file. */
export interface StaticDiscovery {
  readonly from: 'static';
  readonly services: Readonly<Record<string, readonly Address[]>>;
}

/** What the sidecar proves itself with. */
export type IdentitySettings =
  | { readonly from: 'consul'; readonly leastTls: LeastTls }
  | {
      readonly from: 'files';
      readonly cert: string;
      readonly key: string;
      readonly ca: string;
      readonly leastTls: LeastTls;
    }
  | { readonly from: 'none' };

/** The least version of TLS between sidecars. */
export type LeastTls = 'TLSv1.2' | 'TLSv1.3';

/** From the most to the least. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
