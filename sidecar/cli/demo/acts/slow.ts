import { type Act, noneFailed } from '../act.ts';
import { wallMs } from '../diary.ts';

const sick = 'inventory-2';
const lateMs = 500;
/** From then on it is known, in milliseconds after it became slow. */
const knownMs = 1000;
/** What a user calls slow, in milliseconds. */
const slowMs = lateMs / 2;
/** Of a hundred calls. */
const most = 1;

/** An instance answers everything, and late. */
export const slow: Act = {
  name: 'slow',
  title: `One instance of the inventory is ${lateMs} ms late`,
  promise: `no call fails, and from 1 s on at most ${most} of 100 takes longer than ${slowMs} ms`,
  play: async ({ cast, wait, tell }) => {
    await wait(1000);
    const at = wallMs();
    await cast.member(sick).stage.behave({ lateMs });
    tell(`${sick} sleeps for ${lateMs} ms before every call, and says that it is well`);
    await wait(5000);
    return { at };
  },
  judge: (evidence) => {
    const known = evidence.calls.filter(({ beganAt }) => beganAt > evidence.at + knownMs);
    const late = known.filter(({ tookMs }) => tookMs > slowMs);
    return [
      ...noneFailed(evidence),
      ...(late.length * 100 <= known.length * most
        ? []
        : [
            `${late.length} of ${known.length} calls took longer than ${slowMs} ms (the first: ${late[0]!.id})`,
          ]),
    ];
  },
  follow: ({ calls, at }) =>
    calls.find(({ what, beganAt, tookMs }) => what === 'orders/Place' && beganAt > at && tookMs > slowMs),
  // As a new one: its callers would keep away from the old one for a while, and the next act needs it.
  restore: ({ cast }) => cast.restart(sick),
};
