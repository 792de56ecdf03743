import { isIP } from 'node:net';
import { type Log, silent } from '../core/log.ts';
import { type Authority, createAuthority } from '../identity/development-ca.ts';
import { agentRoutes } from './agent.ts';
import { Authorities } from './authorities.ts';
import { blockingQuery } from './blocking.ts';
import { catalogRoutes } from './catalog.ts';
import { Chain } from './chain.ts';
import { ConfigEntries } from './config-entries.ts';
import { configRoutes } from './config-routes.ts';
import { connectRoutes } from './connect.ts';
import { grpcProbe } from './grpc-probe.ts';
import { IntentionEntries } from './intention-entries.ts';
import { intentionRoutes } from './intention-routes.ts';
import { Intentions } from './intentions.ts';
import { kvRoutes } from './kv.ts';
import { Ledger } from './ledger.ts';
import { checkStarter, tcpProbe } from './probes.ts';
import { type Check, Registry } from './registry.ts';
import { portOf, serve } from './server.ts';
import { systemTime, type Time } from './time.ts';

/** Settings of the development agent; all have defaults. */
export interface AgentOptions {
  /** Address to listen on; default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: a free one. */
  readonly port?: number;
  /** Listen beyond this machine: whoever reaches the agent gets keys from it. Default false. */
  readonly allowRemote?: boolean;
  /** Lifetime of leaves in milliseconds, at least 1000; default 72 hours, as in Consul. */
  readonly leafTtlMs?: number;
  /** Whether calls are allowed that no intention names; default true, as in Consul without ACLs. */
  readonly defaultAllow?: boolean;
  /** Whether `intentions/match` tells its index; default true. Consul 1.8 does not. */
  readonly matchIndex?: boolean;
  /** Name of the one node; default `development`. */
  readonly node?: string;
  /** Connections that one client address may hold; default 200, as in Consul. */
  readonly connectionsPerClient?: number;
  /** How often services long critical are looked for, in milliseconds; default 30 s, as in Consul. */
  readonly reapEveryMs?: number;
  /** The first root, so that an agent started again can be believed by those who knew the last; default a fresh one. */
  readonly authority?: Authority;
  /** Default silent. */
  readonly log?: Log;
  /** Default the system's. */
  readonly time?: Time;
}

/** A running development agent. Its state lives in memory and ends with it. */
export interface DevelopmentAgent {
  /** `http://host:port`. */
  readonly url: string;
  readonly port: number;
  readonly trustDomain: string;
  /** Blocking queries that wait now. */
  readonly waiting: number;
  /** The active certificate authority. */
  readonly authority: Authority;
  /** Replaces the root, vouched for by the last one; leaves are made anew, the old root stays listed. */
  rotateRoot(): Promise<void>;
  /** Takes all roots but the active one off the list. */
  dropOldRoots(): void;
  /** Forgets all roots for one of `trustDomain`, as servers do that lost their state; leaves follow `leavesAfterMs` later. */
  loseRoots(trustDomain: string, leavesAfterMs: number): Promise<void>;
  /** Ends all blocked queries, checks, timers and connections at once. */
  close(): Promise<void>;
}

const defaultLeafTtlMs = 72 * 3600 * 1000;
const leastLeafTtlMs = 1000;

/**
 * Starts a Consul-compatible agent in this process, for development and tests: catalog, health, agent, KV, Connect,
 * intentions, config entries. Rejects when the address cannot be had or is not loopback without `allowRemote`.
 */
export const startAgent = async (options: AgentOptions = {}): Promise<DevelopmentAgent> => {
  const host = options.host ?? '127.0.0.1';
  const allowRemote = options.allowRemote ?? false;
  if (!allowRemote && !isLoopback(host))
    throw new Error(
      `development agent: host '${host}' is not loopback, and whoever reaches the agent gets keys from it; ` +
        'use 127.0.0.1, or set allowRemote',
    );
  const leafTtlMs = options.leafTtlMs ?? defaultLeafTtlMs;
  if (!(leafTtlMs >= leastLeafTtlMs))
    throw new Error(
      `development agent: leafTtlMs ${leafTtlMs} is below ${leastLeafTtlMs}; certificates count seconds`,
    );

  const log = options.log ?? silent;
  const time = options.time ?? systemTime;
  const authority = options.authority ?? (await createAuthority({ wall: () => time.wall() }));
  const ledger = new Ledger(time);
  const query = blockingQuery(ledger, time);
  const start = checkStarter(time, { tcp: tcpProbe, grpc: grpcProbe }, (check: Check, status, output) =>
    registry.report(check, status, output),
  );
  const registry = new Registry(ledger, time, start, options.node ?? 'development');
  const authorities = new Authorities(authority, ledger, time, leafTtlMs);
  const intentions = new Intentions(ledger, time, options.defaultAllow ?? true);
  const entries = new ConfigEntries(ledger);
  const rules = new IntentionEntries(ledger, intentions, (service) =>
    /^(?:http2?|grpc)$/.test(
      String(new Chain(service, entries, authorities.trustDomain).compile()['Protocol']),
    ),
  );
  let port = 0;
  const shownHost = isIP(host) === 6 ? `[${host}]` : host;

  const server = await serve(
    [
      ...agentRoutes({ registry, ledger, time, address: () => `${shownHost}:${port}` }),
      ...catalogRoutes({ registry, ledger, query }),
      ...connectRoutes({ authorities, intentions, query }),
      ...intentionRoutes({ intentions, query, matchIndex: options.matchIndex ?? true }),
      ...configRoutes({ entries, rules, authorities, query }),
      ...kvRoutes(ledger, query),
    ],
    {
      host,
      port: options.port ?? 0,
      connectionsPerClient: options.connectionsPerClient ?? 200,
      localHostsOnly: !allowRemote,
      log,
    },
  );
  port = portOf(server);

  const reapEveryMs = options.reapEveryMs ?? 30_000;
  const reap = (): void => {
    for (const service of registry.reap())
      log.warn({ service }, 'consul-dev deregistered a critical service');
    stopReaping = time.after(reapEveryMs, reap);
  };
  let stopReaping = time.after(reapEveryMs, reap);
  const url = `http://${shownHost}:${port}`;
  log.info({ url, trustDomain: authorities.trustDomain }, 'consul-dev listens');

  return {
    url,
    port,
    get trustDomain() {
      return authorities.trustDomain;
    },
    get waiting() {
      return ledger.waiting;
    },
    get authority() {
      return authorities.active;
    },
    rotateRoot: () => authorities.rotate(),
    dropOldRoots: () => authorities.dropOld(),
    loseRoots: (trustDomain, leavesAfterMs) => authorities.lose(trustDomain, leavesAfterMs),
    close: () =>
      new Promise((resolve) => {
        stopReaping();
        registry.close();
        authorities.close();
        server.close(() => resolve());
        server.closeAllConnections();
        ledger.close();
      }),
  };
};

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
