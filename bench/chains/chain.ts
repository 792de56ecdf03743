import type { Certificates } from './certificates.ts';

/** What can stand between the callers and the backend. */
export type ChainName = 'outrigger' | 'outrigger-traced' | 'envoy' | 'haproxy' | 'wire-alone' | 'no-proxy';

/** One proxy with plaintext on both sides, or two with mutual TLS between them. */
export type Hops = 1 | 2;

/** Calls that a proxy has counted itself. */
export interface Counted {
  readonly ok: number;
  readonly others: number;
}

/** Proxies that run. */
export interface Chain {
  readonly name: ChainName;
  /** Where callers dial, on 127.0.0.1. */
  readonly port: number;
  readonly pids: readonly number[];
  /** What the first proxy has counted; absent where a proxy does not count gRPC calls by status. */
  readonly counted?: () => Promise<Counted>;
  /** Ends the processes and resolves when they are gone. */
  stop(): Promise<void>;
}

/** What chains are built on. */
export interface Ground {
  readonly backendPort: number;
  /** For files that a proxy reads and logs that it writes. */
  readonly directory: string;
  readonly certificates: Certificates;
  /** Where our own proxies leave CPU profiles, if anywhere. */
  readonly profiles: string | null;
}

/** Starts a chain; rejects when it does not answer in time. */
export type Start = (ground: Ground, hops: Hops) => Promise<Chain>;
