import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { within } from '../support/outages.ts';
import type { SettingsWords } from '../support/sidecars.ts';
import { Fleet, type Member } from './fleet.ts';
import { against, inFlight, type Told } from './partial.ts';
import type { Row } from './row.ts';

const instances = 3;
const atOnce = 24;
const deadlineMs = 2000;
const patienceMs = 20_000;
/** For so long a member stays as the kill has left it. */
const deadMs = 200;
/** From a process's end until our sidecar has read of it, at most. */
const untilSeenMs = 20;

/** Callers that call again once they have an answer, each call with a number of its own, and how each ended. */
class Callers {
  readonly codes: grpc.status[] = [];
  readonly #fleet: Fleet;
  #going = true;
  readonly #work: Promise<unknown>;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    this.#work = Promise.all(Array.from({ length: atOnce }, () => this.#call()));
  }

  /** Resolves when so many calls were made. */
  async made(count: number): Promise<void> {
    while (this.codes.length < count) await pause(5);
  }

  async stop(): Promise<void> {
    this.#going = false;
    await this.#work;
  }

  async #call(): Promise<void> {
    while (this.#going) {
      const number = this.codes.push(grpc.status.UNKNOWN) - 1;
      const { code } = await this.#fleet.client.call('Unary', `${number}`, { deadlineMs });
      this.codes[number] = code;
    }
  }
}

/** How often each call stands in the apps' files. */
const executions = (folder: string): Map<number, number> => {
  const counts = new Map<number, number>();
  for (const file of readdirSync(folder))
    for (const line of readFileSync(join(folder, file), 'utf8').split('\n'))
      if (/^\d+$/.test(line)) counts.set(Number(line), (counts.get(Number(line)) ?? 0) + 1);
  return counts;
};

/** Calls that the caller's sidecar had under way at what was killed. */
interface UnderWay {
  /** In the tick of the kill. */
  atKill: number;
  /** The most from then until its end had been seen: nothing that is dead answers, so those that came later are added. */
  atEnd: number;
}

/** Kills one process of a member, and adds what was under way there. */
const kill = async (fleet: Fleet, member: Member, { child }: Member['app'], sum: UnderWay): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const load = (): number => fleet.state(member)?.load ?? 0;
  const atKill = load();
  const gone = once(child, 'exit').then(() => pause(untilSeenMs, true));
  child.kill('SIGKILL');
  let most = atKill;
  while (!(await Promise.race([gone, pause(1, false)]))) most = Math.max(most, load());
  sum.atKill += atKill;
  sum.atEnd += most;
};

/** Kills the app or the sidecar of a member, a moment later what is left of it, and starts both again. */
const replace = async (fleet: Fleet, member: Member, sum: UnderWay): Promise<void> => {
  await kill(fleet, member, Math.random() < 0.5 ? member.sidecar : member.app, sum);
  await pause(deadMs);
  await kill(fleet, member, member.sidecar, sum);
  await fleet.restart(member);
  await within(patienceMs, () => fleet.state(member)?.available === true);
};

/** Calls go on until there were so many, and so many kills, spread evenly over them. */
const story = async (calls: number, kills: number, policy: SettingsWords): Promise<Told> => {
  const folder = mkdtempSync(join(tmpdir(), 'once-'));
  const fleet = await Fleet.open(instances, { policies: { echo: policy } }, folder);
  const callers = new Callers(fleet);
  try {
    const begin = performance.now();
    const under = { atKill: 0, atEnd: 0 };
    for (let turn = 1; turn <= kills; turn++) {
      await callers.made((calls * turn) / (kills + 1));
      await replace(fleet, fleet.members[Math.floor(Math.random() * instances)]!, under);
    }
    await callers.made(calls);
    await callers.stop();
    const perSecond = callers.codes.length / ((performance.now() - begin) / 1000);
    const left = await inFlight(fleet.caller);
    const executed = executions(folder);
    const twice = [...executed.values()].filter((times) => times > 1).length;
    const vain = callers.codes.filter((code, call) => code === grpc.status.OK && !executed.has(call)).length;
    const failed = callers.codes.filter((code) => code !== grpc.status.OK);
    const others = failed.filter((code) => code !== grpc.status.UNAVAILABLE).length;
    const words = [
      `${twice} twice`,
      `${vain} OK and never`,
      `${failed.length} of ${callers.codes.length} failed`,
      `${under.atKill} were under way at the kills, ${under.atEnd} at the ends`,
      `${perSecond.toFixed(0)} a second`,
      ...(others === 0 ? [] : [`${others} not UNAVAILABLE`]),
      ...(left === 0 ? [] : [`${left} left over`]),
    ];
    const kept = twice === 0 && vain === 0 && failed.length <= under.atEnd && others === 0 && left === 0;
    return { figures: words.join(', '), kept };
  } finally {
    await callers.stop();
    await fleet.close();
    rmSync(folder, { recursive: true });
  }
};

/** What becomes of calls that may not be repeated when those who carry them out are killed. */
export const onceRows: readonly Row[] = [
  {
    id: 'T-02',
    fault: '10^5 calls, not to be repeated, 50 kills',
    promise: 'none executed twice, no more fail than were there',
    run: (short) =>
      against(
        () => (short ? story(5000, 5, {}) : story(100_000, 50, {})),
        () => story(5000, 5, { idempotent: true }),
      ),
  },
];
