import { setTimeout as pause } from 'node:timers/promises';
import type { Sidecar } from '../../sidecar/index.ts';
import type { EchoClient } from '../support/echo-client.ts';
import { sumOf } from '../support/sidecars.ts';
import { atRate, failures, type SteadyLoad } from '../support/steady-load.ts';
import type { Finding } from './row.ts';

/** What one run of a row has to tell. */
export interface Told {
  readonly figures: string;
  readonly kept: boolean;
}

/** What a row is played on. */
export interface Ground {
  /** In this process. */
  readonly caller: Sidecar;
  readonly client: EchoClient;
  close(): Promise<void>;
}

export const perSecond = 200;

/** Words that take ejection away, for controls. */
export const neverEject = { eject: { mode: 'off', failures: 1000 } } as const;

/** A row's finding of a run with the defence and one without it, which must show the harm. */
export const against = async (run: () => Promise<Told>, control: () => Promise<Told>): Promise<Finding> => {
  const told = await run();
  const without = await control();
  return {
    measured: told.figures,
    control: `${without.figures}${without.kept ? ' (NO HARM)' : ''}`,
    kept: told.kept && !without.kept,
  };
};

const mostGrowth = 128 * 1024 * 1024;

/**
 * Plays a story on a ground of its own, under 200 calls of 1 KiB a second with a deadline of a second each. At the end
 * the sum must come out: every call has ended, at the app and in the sidecar, nothing was thrown away, memory is flat.
 */
export const played = async <G extends Ground>(
  open: () => Promise<G>,
  story: (ground: G, load: SteadyLoad) => Promise<Told>,
): Promise<Told> => {
  let unhandled = 0;
  const count = (): void => void unhandled++;
  process.on('unhandledRejection', count);
  const ground = await open();
  const load = atRate(ground.client, perSecond);
  try {
    await pause(1000);
    const rss = process.memoryUsage.rss();
    const { figures, kept } = await story(ground, load);
    await load.stop();
    const grown = process.memoryUsage.rss() - rss;
    const left = await inFlight(ground.caller);
    const even = left === 0 && unhandled === 0 && grown < mostGrowth;
    const sum = even ? '' : `; ${left} calls left over, ${unhandled} unhandled, RSS +${grown >> 20} MiB`;
    return { figures: `${figures}${sum}`, kept: kept && even };
  } finally {
    await load.stop();
    await ground.close();
    process.off('unhandledRejection', count);
  }
};

/** Calls in the sidecar, once what is over at the app has had a moment. */
export const inFlight = async (sidecar: Sidecar): Promise<number> => {
  for (let turn = 0; turn < 100; turn++) {
    if (sumOf(sidecar, 'outrigger_calls_in_flight') === 0) return 0;
    await pause(10);
  }
  return sumOf(sidecar, 'outrigger_calls_in_flight');
};

/** Whatever ended since `from`, a count of codes. */
export const failedSince = ({ codes }: SteadyLoad, from: number): number =>
  failures(codes.slice(from)).length;

/** The share of `codes` that are OK, as people read it. */
export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

export const shareOk = (codes: readonly number[]): number =>
  codes.length === 0 ? 0 : 1 - failures(codes).length / codes.length;
