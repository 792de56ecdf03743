import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onPath, startProgram } from '../../bench/chains/program.ts';
import { freePorts } from '../support/free-ports.ts';
import { bootstrap, type Form } from './envoy-bootstrap.ts';

/** A proxy beside the caller, a process. */
export interface Sidecar {
  /** Where it takes calls, on 127.0.0.1. */
  readonly port: number;
  /** Addresses of the instances that it keeps out now. */
  out(): Promise<string[]>;
  stop(): Promise<void>;
}

/** Starts a proxy that calls these, `127.0.0.1:port` each; its files go to `folder`. */
export type Start = (addresses: readonly string[], folder: string) => Promise<Sidecar>;

const launcher = fileURLToPath(new URL('../../../bin/outrigger', import.meta.url));

/** What the admin port at `port` says on `path`. */
const page = async (port: number, path: string): Promise<unknown> =>
  (await fetch(`http://127.0.0.1:${port}${path}`)).json();

/** Our sidecar, with nothing said but who is called and that his methods are idempotent. */
const outrigger: Start = async (addresses, folder) => {
  const [port, admin] = (await freePorts(2)) as [number, number];
  const path = `${folder}/outrigger.yaml`;
  const settings = {
    service: { name: 'web' },
    listen: { app: `127.0.0.1:${port}`, admin: `127.0.0.1:${admin}`, control: 'none' },
    discovery: { static: { services: { echo: addresses } } },
    identity: 'none',
    policies: { echo: { idempotent: true } },
  };
  writeFileSync(path, JSON.stringify(settings));
  const words = ['sidecar', '--config', path];
  const { stop } = await startProgram(launcher, words, `${folder}/outrigger.log`, port);
  return {
    port,
    out: async () => {
      const { endpoints } = (await page(admin, '/endpoints')) as {
        endpoints: { address: string; gate: string }[];
      };
      return endpoints.filter(({ gate }) => gate !== 'open').map(({ address }) => address);
    },
    stop,
  };
};

interface HostStatus {
  readonly address: { readonly socket_address: { readonly address: string; readonly port_value: number } };
  readonly health_status: {
    readonly failed_outlier_check?: boolean;
    readonly failed_active_health_check?: boolean;
  };
}

const envoy =
  (form: Form): Start =>
  async (addresses, folder) => {
    const [port, admin] = (await freePorts(2)) as [number, number];
    const path = `${folder}/envoy-${form}.json`;
    const to = addresses.map((address) => Number(address.split(':')[1]));
    writeFileSync(path, JSON.stringify(bootstrap(form, { port, admin, to })));
    const words = ['-c', path, '--concurrency', '1', '--disable-hot-restart', '-l', 'warn'];
    const { stop } = await startProgram(onPath('envoy')!, words, `${folder}/envoy-${form}.log`, port);
    return {
      port,
      out: async () => {
        const { cluster_statuses } = (await page(admin, '/clusters?format=json')) as {
          cluster_statuses: { host_statuses: HostStatus[] }[];
        };
        return cluster_statuses[0]!.host_statuses
          .filter(
            ({ health_status: { failed_outlier_check, failed_active_health_check } }) =>
              failed_outlier_check === true || failed_active_health_check === true,
          )
          .map(({ address: { socket_address } }) => `${socket_address.address}:${socket_address.port_value}`);
      },
      stop,
    };
  };

/** Ours, by the name that its calls have. */
export const ours = 'outrigger';

/** Every proxy that can be started here, by name, in the order of the table. */
export const proxies = (): ReadonlyMap<string, Start> =>
  new Map<string, Start>([
    [ours, outrigger],
    ...(onPath('envoy') === null
      ? []
      : ([
          ['envoy', envoy('plain')],
          ['envoy-tuned', envoy('tuned')],
        ] as const)),
  ]);
