/**
 * One whole sidecar in a process of its own, which tells its port, and on each message what it has cost. Started by
 * `economy.ts` with its settings as JSON.
 */
import { tmpdir } from 'node:os';
import { startSidecar } from '../../sidecar/index.ts';
import { readSettings } from '../../sidecar/settings/load.ts';

/** What a sidecar has cost since it was asked to begin. */
export interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
  /** Octets. */
  readonly rss: number;
  readonly metrics: string;
  /** Services of which it knows instances. */
  readonly known: number;
}

/** A service whose instances have changed, and how many there are now. */
export interface Heard {
  readonly service: string;
  readonly count: number;
  /** Milliseconds of the wall clock. */
  readonly at: number;
}

const { settings } = readSettings(process.argv[2]!, 'economy.yaml', tmpdir());
const sidecar = await startSidecar(settings);
await sidecar.ready;

const begin = { cpu: process.cpuUsage(), at: performance.now() };
const counts = new Map<string, number>();
let seen: unknown = null;
/** Looks whether anything has changed: one comparison, so that it costs nothing. */
const look = (): void => {
  const snapshot = sidecar.snapshot();
  if (snapshot === seen) return;
  seen = snapshot;
  for (const [service, { endpoints }] of snapshot.services) {
    if (counts.get(service) === endpoints.length) continue;
    counts.set(service, endpoints.length);
    process.send!({ service, count: endpoints.length, at: Date.now() } satisfies Heard);
  }
};

process.on('message', async (word) => {
  if (word === 'listen') {
    setInterval(look, 10);
    return;
  }
  if (word === 'begin') {
    begin.cpu = process.cpuUsage();
    begin.at = performance.now();
    return;
  }
  if (word === 'end') {
    await sidecar.close();
    process.exit(0);
  }
  const { user, system } = process.cpuUsage(begin.cpu);
  const cost: Cost = {
    cpuMs: (user + system) / 1000,
    wallMs: performance.now() - begin.at,
    rss: process.memoryUsage.rss(),
    metrics: sidecar.metrics().text,
    known: [...sidecar.snapshot().services.values()].filter(({ endpoints }) => endpoints.length > 0).length,
  };
  process.send!(cost);
});
process.on('disconnect', () => process.exit(0));
process.send!({ app: sidecar.ports.app });
