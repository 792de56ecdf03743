import { type Act, described } from '../act.ts';
import { wallMs } from '../diary.ts';
import { patienceMs } from '../load.ts';

const sick = 'inventory-2';
/**
 * Calls that may wait in vain before it is known that nobody answers: a few, and as many again where the machine is busy.
 * Without balancing by latency it is every second one.
 */
const most = 12;
/** How far beyond a user's patience a call may end, in milliseconds. */
const overrunMs = 250;

/** An instance is there, takes every call, and answers none. */
export const hung: Act = {
  name: 'hung',
  title: 'One instance of the inventory hangs',
  promise: `at most ${most} calls wait in vain and end at their deadline; all others go on as before`,
  play: async ({ cast, wait, tell }) => {
    await wait(1000);
    const member = cast.member(sick);
    const at = wallMs();
    member.freezeApp();
    tell(`SIGSTOP for the app of ${sick} (pid ${member.appPid}): its port still accepts, nothing comes back`);
    await wait(patienceMs + 1500);
    return { at };
  },
  loss: ({ failed }) => ({ member: sick, inFlight: failed.length }),
  late: ({ failed }) => failed.length,
  judge: ({ failed }) => [
    ...(failed.length <= most ? [] : [`${failed.length} calls waited in vain, not ${most} at most`]),
    ...failed
      .filter(({ code, tookMs }) => code !== 'DEADLINE_EXCEEDED' || tookMs > patienceMs + overrunMs)
      .map((call) => `not ended by its deadline: ${described(call)} after ${Math.round(call.tookMs)} ms`),
  ],
  follow: ({ failed }) => failed[0],
  restore: ({ cast }) => cast.restart(sick),
};
