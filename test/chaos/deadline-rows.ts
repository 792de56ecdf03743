import { setTimeout as pause } from 'node:timers/promises';
import { type Chain, chain, type Visit } from '../support/chain-mesh.ts';
import { milliseconds, type Row } from './row.ts';

const hops = [{}, {}, {}, {}];
const budget = { metadata: [['grpc-timeout', '300m']] } as const;

/** Calls over four hops that are cancelled after 50 ms, and calls whose time runs out. */
const calls = 20;

const latest = ({ visits }: Chain): Visit[] => visits.map((each) => each.at(-1)!);
/** Visits since then; a hop that the call had not reached when it ended has none. */
const since = (mesh: Chain, at: number): Visit[] => latest(mesh).filter((visit) => visit?.arrivedAt >= at);
const decreases = (visits: readonly Visit[]): boolean =>
  visits.every(({ leftMs }, at) => leftMs < (at === 0 ? 300 : visits[at - 1]!.leftMs));

/** How long after `at` the last hop stopped; Infinity when one has not. */
const stoppedAfter = (visits: readonly Visit[], at: number): number =>
  Math.max(...visits.map(({ stoppedAt }) => (stoppedAt ?? Number.POSITIVE_INFINITY) - at));

/** One call, cancelled after 50 ms or left to its deadline: what was left at each hop, and when the last one stopped. */
const call = async (
  mesh: Chain,
  cancels: boolean,
): Promise<{ readonly falls: boolean; readonly afterMs: number }> => {
  const begunAt = performance.now();
  const { call: calling, ended } = mesh.client.begin('Unary', 'm', budget);
  await pause(50);
  if (cancels) calling.cancel();
  const overAt = cancels ? performance.now() : begunAt + 300;
  await ended;
  await pause(Math.max(0, overAt + 120 - performance.now()));
  const visits = since(mesh, begunAt);
  return { falls: decreases(visits), afterMs: stoppedAfter(visits, overAt) };
};

const withDeadlines = async (): Promise<{ cancelled: number; expired: number; falls: boolean }> => {
  const mesh = await chain(hops);
  try {
    for (let warm = 0; warm < 3; warm++) await call(mesh, false);
    const found = { cancelled: 0, expired: 0, falls: true };
    for (let at = 0; at < calls; at++) {
      const cancels = at % 2 === 0;
      const { falls, afterMs } = await call(mesh, cancels);
      found.falls &&= falls;
      if (cancels) found.cancelled = Math.max(found.cancelled, afterMs);
      else found.expired = Math.max(found.expired, afterMs);
    }
    return found;
  } finally {
    await mesh.close();
  }
};

/** The same budget where no sidecar keeps or passes on deadlines: hops that still work 300 ms after it. */
const withoutDeadlines = async (): Promise<number> => {
  const mesh = await chain(hops, ['deadline']);
  try {
    const { call: calling, ended } = mesh.client.begin('Unary', 'm', budget);
    await pause(600);
    const working = latest(mesh).filter((visit) => visit?.stoppedAt === null).length;
    calling.cancel();
    await ended;
    return working;
  } finally {
    await mesh.close();
  }
};

/** The rows of deadlines and cancellations. */
export const deadlineRows: readonly Row[] = [
  {
    id: 'T-17',
    fault: '300 ms over 4 hops, cancelled at 50 ms',
    promise: 'less left at each hop, all stop <= 100 ms',
    async run() {
      const { cancelled, expired, falls } = await withDeadlines();
      const working = await withoutDeadlines();
      return {
        measured: `${falls ? 'less at each hop' : 'NOT less'}; cancelled +${milliseconds(cancelled)}, expired +${milliseconds(expired)}`,
        control: `without deadlines ${working} of 4 hops work 300 ms after it`,
        kept: falls && cancelled <= 100 && expired <= 100 && working === 4,
      };
    },
  },
];
