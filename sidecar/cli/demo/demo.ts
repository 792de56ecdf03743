import { setTimeout as pause } from 'node:timers/promises';
import { readSabotage } from '../../sabotage.ts';
import { codeOf, listenForEnding } from '../ending.ts';
import { Exit, UsageError } from '../exit.ts';
import type { Surroundings } from '../started.ts';
import type { Act, Scene } from './act.ts';
import { type Cast, startCast } from './cast.ts';
import { jsonNarrator, type Narrator, narrator } from './narrator.ts';
import { callsPerSecond, type Outcome, perform, quantile } from './perform.ts';
import { actsWithout, story } from './story.ts';

/** Options of `outrigger demo`, as commander hands them over. */
export interface DemoOptions {
  /** End after the story. */
  readonly once?: true;
  /** One JSON object on stdout instead of a story. */
  readonly json?: true;
  /** A defence to take away. */
  readonly sabotage?: string;
  /** Names of the acts to play; default all. */
  readonly act: readonly string[];
}

/** How long the mesh may take to be whole again between acts, in milliseconds. */
const settleMs = 20_000;
const statusEveryMs = 5000;

/**
 * `outrigger demo`: an agent, five apps and five sidecars on this machine, steady load, and a story that checks
 * itself. Answers 0 when every act kept its promise, 130 when Ctrl-C came before the last was over. Leaves no
 * process and no file behind.
 */
export const demo = async (options: DemoOptions, signals: Surroundings['signals']): Promise<number> => {
  const acts = chosen(options);
  const out = (text: string): void => void process.stdout.write(text);
  const aside = (text: string): void => void process.stderr.write(text);
  const told = options.json
    ? jsonNarrator(out, aside)
    : narrator({ write: out, colours: process.stdout.isTTY === true && !process.env['NO_COLOR'] });
  const ending = listenForEnding(signals);
  const stop = new AbortController();
  const outcomes: Outcome[] = [];
  const interrupted = ending.asked.then((signal) => {
    stop.abort();
    return signal;
  });
  let cast: Cast | null = null;
  try {
    // Not raced against a signal: what starts must be known before it can be ended.
    cast = await startCast(options.sabotage ?? '', told.progress);
    const telling = tell(cast, acts, told, options.once === true, stop.signal, outcomes);
    const first = await Promise.race([telling, interrupted]);
    // What is being started must be known before it can be ended.
    if (typeof first === 'string') await telling.catch(() => {});
    if (typeof first === 'string' && outcomes.length < acts.length) return codeOf(first);
    return outcomes.every(({ kept }) => kept) ? Exit.ok : Exit.failure;
  } finally {
    if (cast !== null) {
      told.progress('ending all processes');
      const impatient = ending.atOnce.then(() => cast?.close(0));
      await Promise.race([cast.close(), impatient]);
    }
    ending.leave();
  }
};

/** Tells the story; without `once` the load then goes on until `signal`. */
const tell = async (
  cast: Cast,
  acts: readonly Act[],
  told: Narrator,
  once: boolean,
  signal: AbortSignal,
  outcomes: Outcome[],
): Promise<void> => {
  const scene: Scene = {
    cast,
    signal,
    wait: async (ms) => void (await pause(ms, undefined, { signal })),
    tell: told.tells,
  };
  told.progress('first calls, so that everybody has met');
  await rehearse(scene);
  for (const [at, act] of acts.entries()) {
    signal.throwIfAborted();
    told.opens(at + 1, act.title, act.promise);
    const outcome = await perform(act, scene);
    outcomes.push(outcome);
    told.closes(outcome);
    if (act.restore === undefined || (once && at === acts.length - 1)) continue;
    told.progress('putting everything in order again');
    await act.restore(scene);
    await rehearse(scene);
  }
  told.ends(outcomes);
  if (!once) await goOn(scene, told);
};

/** Makes calls that do not count until all go well, and until everybody knows everybody. */
const rehearse = async ({ cast, wait, signal }: Scene): Promise<void> => {
  const until = performance.now() + settleMs;
  const { stage } = cast.member('storefront');
  await cast.settled(settleMs, signal);
  for (;;) {
    await stage.play({ callsPerSecond });
    await wait(300);
    const { calls } = await stage.pause({});
    const failed = calls.filter(({ code }) => code !== 'OK');
    if (failed.length === 0) break;
    if (performance.now() > until)
      throw new Error(`calls still fail after ${settleMs} ms: ${failed[0]!.what} ${failed[0]!.message}`);
  }
  await cast.settled(settleMs, signal);
};

/** Keeps the load running and says how it goes, until the demo is ended. */
const goOn = async ({ cast, wait }: Scene, told: Narrator): Promise<void> => {
  told.says('');
  told.says(`The agent is at ${cast.agent.url}, files are in ${cast.folder}; the sidecars:`);
  for (const { name, admin } of cast.members.values()) told.says(`  ${name.padEnd(12)} ${admin}/endpoints`);
  told.says('The load goes on until Ctrl-C.');
  const { stage } = cast.member('storefront');
  try {
    for (;;) {
      await stage.play({ callsPerSecond });
      await wait(statusEveryMs);
      const { calls } = await stage.pause({});
      cast.trim();
      const failed = calls.filter(({ code }) => code !== 'OK').length;
      told.says(
        `${calls.length} calls, ${failed} failed, p50 ${quantile(calls, 0.5).toFixed(1)} ms, p99 ${quantile(calls, 0.99).toFixed(1)} ms`,
      );
    }
  } catch (error) {
    if ((error as Error).name !== 'AbortError') throw error;
  }
};

const chosen = ({ act, sabotage }: DemoOptions): readonly Act[] => {
  if (sabotage !== undefined && actsWithout[sabotage] === undefined)
    throw new UsageError(`--sabotage takes one of ${Object.keys(actsWithout).join(', ')}, not '${sabotage}'`);
  readSabotage(sabotage);
  const names = story.map(({ name }) => name);
  for (const name of act)
    if (!names.includes(name)) throw new UsageError(`--act takes one of ${names.join(', ')}, not '${name}'`);
  return act.length === 0 ? story : story.filter(({ name }) => act.includes(name));
};
