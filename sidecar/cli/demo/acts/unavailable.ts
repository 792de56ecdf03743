import { readFileSync } from 'node:fs';
import { type Act, described, type Evidence } from '../act.ts';
import { type Line, wallMs } from '../diary.ts';
import type { Books } from '../ledger.ts';
import type { Member } from '../member.ts';

const sick = 'inventory-2';
/** Who calls it, and whose sidecar judges it. */
const caller = 'orders';
/** Failures in a row that shut a gate. */
const most = 5;
/** By how much the clocks of two processes may differ, a sidecar's whole milliseconds included. */
const clocksMs = 5;

/** An instance lives, and refuses everything. */
export const unavailable: Act = {
  name: 'unavailable',
  title: 'One instance of the inventory answers UNAVAILABLE to everything',
  promise: `${most} failures in a row shut its gate; calls under way at that moment may fail too, none that begins later`,
  play: async ({ cast, wait, tell }) => {
    // Else balancing by latency keeps calls from it after its first failures, and its gate has nothing to do.
    await cast.agent.policy('inventory', { balance: 'round-robin' });
    tell('a policy in KV: calls of the inventory go to one instance after the other');
    await wait(1500);
    const at = wallMs();
    await cast.member(sick).stage.behave({ unavailable: true });
    tell(`${sick} is unwell: every call, its health too`);
    await wait(4000);
    const shutAt = gateShutAt(cast.member(caller), cast.member(sick), at);
    if (shutAt !== null) tell(`the sidecar of ${caller} shut its gate ${Math.round(shutAt - at)} ms later`);
    return { at };
  },
  judge: (evidence) => {
    const { failed, books, at } = evidence;
    const shutAt = gateShutAt(books.get(caller)!.member, books.get(sick)!.member, at);
    if (shutAt === null) return [`${failed.length} calls failed, and the sidecar of ${caller} shut no gate`];
    const doomed = failures(books).filter((call) => began(call) <= shutAt + clocksMs);
    const excused = new Set(doomed.map(({ id }) => id));
    const before = doomed.filter((call) => began(call) >= lastWell(evidence) && call.at < shutAt - clocksMs);
    return [
      ...(before.length > most
        ? [`${before.length} calls in a row failed before its gate was shut, not ${most}`]
        : []),
      ...failed
        .filter(({ code, id }) => code !== 'UNAVAILABLE' || !excused.has(id))
        .map((call) => `not under way at ${sick} when its gate shut: ${described(call)}`),
    ];
  },
  follow: ({ failed }) => failed[0],
  restore: async ({ cast }) => {
    await cast.member(sick).stage.behave({ unavailable: false });
    await cast.agent.policy('inventory', null);
  },
};

/** When the sidecar of `judge` first shut its gate to `judged` after `since`, by its log; null when it did not. */
const gateShutAt = (judge: Member, judged: Member, since: number): number | null => {
  const times = judge.logs
    .flatMap((log) => readFileSync(log, 'utf8').split('\n'))
    .filter((line) => line.includes('"gate shut"') && line.includes(`"${judged.peers}"`))
    .map((line) => Date.parse((JSON.parse(line) as { time: string }).time))
    .filter((time) => time >= Math.floor(since));
  return times.length === 0 ? null : Math.min(...times);
};

/** Calls of the inventory that failed, as their caller saw them. */
const failures = (books: Books): Line[] =>
  books
    .get(caller)!
    .lines.filter(({ event, peer, code }) => event === 'called' && peer === 'inventory' && code !== 'OK');

const began = ({ at, tookMs }: Line): number => at - tookMs;

/** When the sick instance answered well for the last time: calls that it had begun with may end well. */
const lastWell = ({ books, at }: Evidence): number =>
  Math.max(
    at,
    ...books
      .get(sick)!
      .lines.filter(({ event, code }) => event === 'served' && code === 'OK')
      .map((line) => line.at),
  );
