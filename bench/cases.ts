import type { ChainName, Hops } from './chains/chain.ts';
import type { Load } from './load/job.ts';

/** What a row is judged by. `cpu` is of all proxies together, per call or message, in microseconds. */
export type Figure = 'cpu' | 'p50' | 'p99' | 'rss';

/** A job but for what depends on the run. */
type Unplaced<T> = T extends Load ? Omit<T, 'port' | 'watch' | 'warmMs' | 'windowMs'> : never;
export type Shape = Unplaced<Load>;

/** One kind of load within a case. */
export interface Column {
  readonly name: string;
  readonly load: Shape;
}

/** Load that chains are compared under. */
export interface LoadCase {
  readonly kind: 'load';
  readonly id: string;
  readonly title: string;
  readonly hops: Hops;
  readonly chains: readonly ChainName[];
  readonly columns: readonly Column[];
  /** What CPU is divided by. */
  readonly unit: 'call' | 'message';
}

/** Memory: fresh processes in each round, measured idle, after `load`, and while connections idle. */
export interface MemoryCase {
  readonly kind: 'memory';
  readonly id: string;
  readonly title: string;
  readonly chains: readonly ChainName[];
  readonly load: Shape;
  readonly idleConnections: number;
}

export type Case = LoadCase | MemoryCase;

const proxies: readonly ChainName[] = ['outrigger', 'envoy', 'haproxy', 'wire-alone'];
const standard = { kind: 'closed', headers: 'differing', bytes: 128, connections: 8, inFlight: 32 } as const;
const arrivals = { kind: 'open', headers: 'differing', bytes: 128, connections: 8, unread: 0 } as const;
const bidi = { kind: 'talk', headers: 'differing', bytes: 128, connections: 8 } as const;

/** The cases, in the order of the table. */
export const cases: readonly Case[] = [
  {
    kind: 'load',
    id: 'a',
    title: 'one proxy, plaintext, 128 B unary, 8 connections x 32 calls',
    hops: 1,
    chains: proxies,
    columns: [
      { name: 'differing headers', load: standard },
      { name: 'constant headers', load: { ...standard, headers: 'constant' } },
    ],
    unit: 'call',
  },
  {
    kind: 'load',
    id: 'b',
    title: 'two proxies, mutual TLS between them, 128 B unary, 8 connections x 32 calls',
    hops: 2,
    chains: proxies,
    columns: [
      { name: 'differing headers', load: standard },
      { name: 'constant headers', load: { ...standard, headers: 'constant' } },
    ],
    unit: 'call',
  },
  {
    kind: 'load',
    id: 'c',
    title: 'one proxy, plaintext, latency of 128 B unary',
    hops: 1,
    chains: [...proxies, 'no-proxy'],
    columns: [
      { name: 'one in flight', load: { ...standard, connections: 1, inFlight: 1 } },
      { name: '2,000 arrivals/s', load: { ...arrivals, perSecond: 2000 } },
    ],
    unit: 'call',
  },
  {
    kind: 'load',
    id: 'd',
    title: 'one proxy, plaintext, large unary messages, 4 connections x 4 calls',
    hops: 1,
    chains: proxies,
    columns: [
      { name: '16 KiB', load: { ...standard, connections: 4, inFlight: 4, bytes: 16 * 1024 } },
      { name: '256 KiB', load: { ...standard, connections: 4, inFlight: 4, bytes: 256 * 1024 } },
    ],
    unit: 'call',
  },
  {
    kind: 'load',
    id: 'e',
    title: 'one proxy, plaintext, bidi streams of 128 B messages, 8 connections',
    hops: 1,
    chains: proxies,
    columns: [
      { name: 'pipelined', load: { ...bidi, streams: 4, outstanding: 16 } },
      { name: 'ping-pong', load: { ...bidi, streams: 8, outstanding: 1 } },
    ],
    unit: 'message',
  },
  {
    kind: 'memory',
    id: 'f',
    title: 'one proxy, plaintext, resident memory',
    chains: proxies,
    load: standard,
    idleConnections: 1000,
  },
  {
    kind: 'load',
    id: 'g',
    title: 'two proxies, mutual TLS, 500 unary calls/s beside streams that nobody reads',
    hops: 2,
    chains: ['outrigger', 'envoy', 'haproxy', 'wire-alone'],
    columns: [
      { name: 'none unread', load: { ...arrivals, perSecond: 500 } },
      { name: '40 unread', load: { ...arrivals, perSecond: 500, unread: 40 } },
    ],
    unit: 'call',
  },
  {
    kind: 'load',
    id: 't',
    title: 'one proxy that exports spans, the load of (a)',
    hops: 1,
    chains: ['outrigger-traced'],
    columns: [
      { name: 'none sampled', load: standard },
      { name: 'every hundredth', load: { ...standard, headers: 'sampled' } },
    ],
    unit: 'call',
  },
];
