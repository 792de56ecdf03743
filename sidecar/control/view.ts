import type { LogLevel } from '../core/log.ts';
import type { RefusalRecord } from '../core/refusals.ts';
import type { Snapshot } from '../core/snapshot.ts';

/** What a gate knows of the calls that come to it. */
interface GateReport {
  readonly service: string;
  readonly gate: 'open' | 'probing' | 'shut';
  /** Why it is so; empty while it never changed. */
  readonly why: string;
  /** Since when, wall-clock milliseconds since 1970; null while it never changed. */
  readonly since: number | null;
  /** Calls of the last ten seconds that went well, and that did not. */
  readonly successes: number;
  readonly failures: number;
}

/** One service as people see it: the gate of all its endpoints together. */
export type ServiceReport = GateReport;

/** One endpoint as people see it. */
export interface EndpointReport extends GateReport {
  /** `host:port` or `unix:PATH`. */
  readonly address: string;
  readonly available: boolean;
  /** Attempts in flight. */
  readonly load: number;
  /** Connections that are open. */
  readonly connections: number;
  /** Whether it stands in our zone; null where that is not known. */
  readonly zone: 'own' | 'other' | null;
  /** What a call there costs, by how long replies let themselves be waited for and by what failed; milliseconds. */
  readonly costMs: number;
  /** Its service has no endpoint that is available: calls go to those whose gates are shut. */
  readonly panic: boolean;
}

/** Whose certificate we show, never the key to it. Times are wall-clock milliseconds since 1970. */
export interface IdentityReport {
  /** Empty while the identity is none. */
  readonly spiffe: string;
  readonly validFrom: number;
  readonly validTo: number;
}

/** What intentions have done to calls from peers. */
export interface AuthorizationReport {
  /** `audit`: refusals are told, and the calls pass. */
  readonly mode: 'enforce' | 'audit';
  /** Permissions that cannot be kept, each with its reason; they refuse what comes to them. */
  readonly unclear: readonly string[];
  /** Who was refused by what, or would have been; the most frequent first. */
  readonly refused: readonly RefusalRecord[];
}

/** What admin and control may see of a sidecar, and the things that control may do. */
export interface SidecarView {
  /** Name of the service; empty for a plain outbound proxy. */
  readonly service: string;
  /** Bound addresses: `host:port` or `unix:PATH`; null where there is no such listener. */
  readonly ports: {
    readonly app: string;
    readonly peers: string | null;
    readonly admin: string;
    /** Absent where there is no such port. */
    readonly health?: string;
  };
  /** Why calls should not come here yet or any more, each a sentence; empty when ready. */
  notReady(): readonly string[];
  /** What is wrong although calls go on, each a sentence. */
  warnings(): readonly string[];
  snapshot(): Snapshot;
  /** Null until there is one. */
  identity(): IdentityReport | null;
  endpoints(): readonly EndpointReport[];
  services(): readonly ServiceReport[];
  /** Null where no peer can call. */
  authorization(): AuthorizationReport | null;
  /** Names of the filters, from the top. */
  stacks(): { readonly outbound: readonly string[]; readonly inbound: readonly string[] };
  /** All metrics in the Prometheus text format, with the content type of that format. */
  metrics(): { readonly contentType: string; readonly text: string };
  /** The least important lines that the log has; null where it cannot be changed. */
  logLevel(): LogLevel | null;
  setLogLevel(level: LogLevel): void;
  /** Stops inbound calls and resolves when those in flight have ended, or their time has. Safe to call again. */
  drain(): Promise<void>;
}
