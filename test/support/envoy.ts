import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { address, http2Manager, http2Upstream, type } from './envoy-words.ts';

/** Whether `envoy` is on PATH. */
export const hasEnvoy = (): boolean => spawnSync('envoy', ['--version'], { stdio: 'ignore' }).status === 0;

/** PEM files of one peer. */
export interface EnvoyFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** One Envoy between plaintext HTTP/2 and mutual TLS. */
export interface EnvoyPlan {
  /** `in`: mutual TLS where it listens. `out`: where it dials. */
  readonly tls: 'in' | 'out';
  /** Where it dials on 127.0.0.1. */
  readonly to: number;
  /** Where it listens on 127.0.0.1. */
  readonly port: number;
  readonly files: EnvoyFiles;
  /** The SPIFFE id that it wants to see. */
  readonly expects: string;
  readonly version: 'TLSv1_2' | 'TLSv1_3';
}

/** Intentions as Consul writes them for Envoy: as its RBAC filter, in front of a connection or of each request. */
export interface EnvoyRules {
  readonly judges: 'connections' | 'requests';
  /** What becomes of those whom the principal means; the others meet the opposite. */
  readonly action: 'ALLOW' | 'DENY';
  /** How the SPIFFE id of a caller is compared. */
  readonly principal: { readonly exact: string } | { readonly safe_regex: { readonly regex: string } };
}

/** An Envoy that runs. */
export interface Envoy {
  /** Writes other rules, none where null: it reads them while it runs, and lets its connections go. */
  intend(rules: EnvoyRules | null): Promise<void>;
  /** Kills it by its id. */
  close(): Promise<void>;
}

const startingMs = 15_000;

/** Seconds in which connections under earlier rules are asked to go. */
const drainSeconds = 1;

/** Starts one, in `directory`, without rules; resolves when it listens. */
export const startEnvoy = async (plan: EnvoyPlan, directory: string): Promise<Envoy> => {
  const path = join(directory, `envoy-${plan.port}.json`);
  const listeners = join(directory, `envoy-${plan.port}-listeners.json`);
  const log = join(directory, `envoy-${plan.port}.log`);
  // Envoy looks at a file that is moved there, never at one that is being written.
  const intend = async (rules: EnvoyRules | null): Promise<void> => {
    await writeFile(`${listeners}.next`, JSON.stringify({ resources: [listener(plan, rules)] }));
    await rename(`${listeners}.next`, listeners);
  };
  await intend(null);
  await writeFile(path, JSON.stringify(bootstrap(plan, listeners)));
  const words = [
    ...['-c', path, '--concurrency', '1', '--disable-hot-restart', '-l', 'warn', '--log-path', log],
    ...['--drain-time-s', `${drainSeconds}`, '--drain-strategy', 'immediate'],
  ];
  const child = spawn('envoy', words, { stdio: 'ignore', cwd: directory });
  const close = (): Promise<void> => killed(child);
  const end = Date.now() + startingMs;
  while (!(await listens(plan.port))) {
    if (child.exitCode !== null || Date.now() > end) {
      await close();
      throw new Error(`envoy did not start: ${await readFile(log, 'utf8').catch(() => '')}`);
    }
    await new Promise((next) => setTimeout(next, 50));
  }
  return { intend, close };
};

const listener = (plan: EnvoyPlan, rules: EnvoyRules | null): object => ({
  '@type': type('config.listener.v3.Listener'),
  name: 'in',
  address: address(plan.port),
  filter_chains: [
    {
      filters: [
        ...(rules?.judges === 'connections' ? [rbac('network', rules)] : []),
        { name: 'http', typed_config: connectionPart(rules) },
      ],
      ...(plan.tls === 'in' && { transport_socket: tls('DownstreamTlsContext', plan) }),
    },
  ],
});

/** Ref: Envoy, "Role Based Access Control (RBAC) Network Filter" and "(RBAC) Filter". */
const rbac = (where: 'network' | 'http', { action, principal }: EnvoyRules): object => ({
  name: `envoy.filters.${where}.rbac`,
  typed_config: {
    '@type': type(`extensions.filters.${where}.rbac.v3.RBAC`),
    ...(where === 'network' && { stat_prefix: 'connect_authz' }),
    rules: {
      action,
      policies: {
        'consul-intentions-layer4': {
          permissions: [{ any: true }],
          principals: [{ authenticated: { principal_name: principal } }],
        },
      },
    },
  },
});

const bootstrap = (plan: EnvoyPlan, listeners: string): object => ({
  node: { id: 'test', cluster: 'test' },
  dynamic_resources: { lds_config: { path_config_source: { path: listeners } } },
  static_resources: {
    clusters: [
      {
        name: 'out',
        type: 'STATIC',
        connect_timeout: '2s',
        load_assignment: {
          cluster_name: 'out',
          endpoints: [{ lb_endpoints: [{ endpoint: { address: address(plan.to) } }] }],
        },
        ...http2Upstream,
        ...(plan.tls === 'out' && { transport_socket: tls('UpstreamTlsContext', plan) }),
      },
    ],
  },
});

const connectionPart = (rules: EnvoyRules | null): object =>
  http2Manager({ cluster: 'out', timeout: '0s' }, rules?.judges === 'requests' ? [rbac('http', rules)] : []);

const tls = (
  context: 'DownstreamTlsContext' | 'UpstreamTlsContext',
  { files, expects, version }: EnvoyPlan,
): object => ({
  name: 'tls',
  typed_config: {
    '@type': type(`extensions.transport_sockets.tls.v3.${context}`),
    ...(context === 'DownstreamTlsContext' && { require_client_certificate: true }),
    common_tls_context: {
      alpn_protocols: ['h2'],
      tls_params: { tls_minimum_protocol_version: version, tls_maximum_protocol_version: version },
      tls_certificates: [
        { certificate_chain: { filename: files.cert }, private_key: { filename: files.key } },
      ],
      validation_context: {
        trusted_ca: { filename: files.ca },
        match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: expects } }],
      },
    },
  },
});

const listens = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const settle = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });

const killed = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve();
    child.once('exit', () => resolve());
    child.kill('SIGKILL');
  });
