import { type Act, described } from '../act.ts';
import { wallMs } from '../diary.ts';

const sick = 'inventory-2';
/** Failures after which a gate is shut. */
const most = 5;

/** An instance lives, and refuses everything. */
export const unavailable: Act = {
  name: 'unavailable',
  title: 'One instance of the inventory answers UNAVAILABLE to everything',
  promise: 'at most 5 calls fail, then none',
  // However slow the machine: a call that is with the sick instance as its gate shuts is beyond help.
  oneAtATime: true,
  play: async ({ cast, wait, tell }) => {
    await wait(1000);
    const at = wallMs();
    await cast.member(sick).stage.behave({ unavailable: true });
    tell(`${sick} is unwell: every call, its health too`);
    await wait(4000);
    return { at };
  },
  judge: ({ failed }) => {
    const strangers = failed.filter(({ code }) => code !== 'UNAVAILABLE');
    return [
      ...(failed.length > most
        ? [`${failed.length} calls failed, the last: ${described(failed.at(-1)!)}`]
        : []),
      ...strangers.map((call) => `not from the sick instance: ${described(call)}`),
    ];
  },
  follow: ({ failed }) => failed[0],
  restore: async ({ cast }) => {
    await cast.member(sick).stage.behave({ unavailable: false });
  },
};
