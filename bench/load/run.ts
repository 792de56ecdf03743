import { setTimeout as pause } from 'node:timers/promises';
import { closedLoop } from './closed-loop.ts';
import { Dial } from './dial.ts';
import type { Load, Outcome } from './job.ts';
import { openLoop } from './open-loop.ts';
import { talk } from './talk.ts';
import { Tally } from './tally.ts';

/** Load that has begun. */
export interface Run {
  /** Begins nothing more. */
  stop(): void;
  /** Calls that have not ended. */
  underWay(): number;
}

/** How long calls may take to end once no more begin, in milliseconds. */
const endMs = 10_000;

const start = (job: Load, dial: Dial, tally: Tally): Promise<Run> => {
  if (job.kind === 'closed') return closedLoop(job, dial, tally);
  if (job.kind === 'open') return openLoop(job, dial, tally);
  return talk(job, dial, tally);
};

/** Does a job from its first connection to its last answer. */
export const run = async (job: Load): Promise<Outcome> => {
  const dial = new Dial(job.port);
  const tally = new Tally(job.watch);
  try {
    const load = await start(job, dial, tally);
    await pause(job.warmMs);
    tally.openWindow();
    await pause(job.windowMs);
    tally.closeWindow();
    load.stop();
    for (let waited = 0; load.underWay() > 0 && waited < endMs; waited += 5) await pause(5);
    if (load.underWay() > 0) tally.fail(`${load.underWay()} calls have not ended after ${endMs} ms`);
    return tally.outcome();
  } finally {
    dial.closeAll();
  }
};
