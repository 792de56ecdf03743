import { setTimeout as pause } from 'node:timers/promises';
import { type Finding, milliseconds, percentile } from '../chaos/row.ts';
import { type ConsulCluster, startCluster } from './consul-cluster.ts';
import { type NaiveWatch, naiveWatch } from './naive-watch.ts';
import { type OutageMesh, type OutageMeshOptions, outageMesh } from './outage-mesh.ts';
import { consulVersion } from './real-consul.ts';
import { type SlowLine, slowLine } from './slow-line.ts';
import { atRate, failures, type SteadyLoad } from './steady-load.ts';

/** What an outage is done to. */
export interface Ground {
  readonly cluster: ConsulCluster;
  readonly mesh: OutageMesh;
  /** Between the caller and its agent. */
  readonly line: SlowLine;
}

/** What a story of an outage has to tell beside its calls. */
export interface Told {
  readonly figures?: string;
  readonly kept: boolean;
  /** What would have been, where it is not told by who believes every answer. */
  readonly control?: { readonly text: string; readonly harm: boolean };
}

const perSecond = 200;

/** What a row finds where there is no Consul to try it on. */
export const skipped: Finding = {
  measured: 'skipped: there is no `consul` on PATH',
  control: '',
  kept: true,
};

/** Runs `story` on three servers and a client agent of its own. */
export const outage = async (
  story: (ground: Ground) => Promise<Told>,
  options: Partial<OutageMeshOptions> = {},
): Promise<Finding> => {
  if (consulVersion() === null) return skipped;
  const cluster = await startCluster();
  try {
    return await outageOn(cluster, story, options);
  } finally {
    await cluster.close();
  }
};

/** Runs `story` under 200 calls a second; none may fail or take longer than `callMs`, though who believes every answer would have lost some. */
export const outageOn = async (
  cluster: ConsulCluster,
  story: (ground: Ground) => Promise<Told>,
  options: Partial<OutageMeshOptions> = {},
  callMs?: number,
): Promise<Finding> => {
  const line = await slowLine(cluster.client.url);
  let mesh: OutageMesh | null = null;
  let load: SteadyLoad | null = null;
  let naive: NaiveWatch | null = null;
  try {
    mesh = await outageMesh({ url: cluster.client.url, callerUrl: line.url, ...options });
    load = atRate(mesh.client, perSecond, callMs);
    naive = naiveWatch(cluster.client.url, 'echo');
    await pause(500);
    const { figures, kept, control } = await story({ cluster, mesh, line });
    await Promise.all([load.stop(), naive.stop()]);
    const { codes, latencies } = load;
    const failed = failures(codes).length;
    const p99 = milliseconds(percentile(latencies, 0.99));
    return {
      measured: `${failed} of ${codes.length} calls failed, p99 ${p99}${figures === undefined ? '' : `, ${figures}`}`,
      control:
        control?.text ??
        `who believes every answer had nobody to call ${naive.nobody} of ${naive.asked} times`,
      kept: kept && failed === 0 && codes.length > 100 && (control?.harm ?? naive.nobody > 0),
    };
  } finally {
    await load?.stop();
    await naive?.stop();
    await mesh?.close();
    await line.close();
  }
};

/** Milliseconds until `is` holds, looked at every 5 ms; negative when it never does. */
export const within = async (mostMs: number, is: () => boolean | Promise<boolean>): Promise<number> => {
  const begin = performance.now();
  while (!(await is())) {
    if (performance.now() - begin > mostMs) return -1;
    await pause(5);
  }
  return performance.now() - begin;
};

/** The value of a metric line that begins with `name`, summed over its labels. */
export const metric = (text: string, name: string): number =>
  text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
