import { type Act, described } from '../act.ts';
import { wallMs } from '../diary.ts';

/** How long an intention may take to hold everywhere, in milliseconds. */
const holdsMs = 1000;
/** What the denied caller calls. */
const forbidden = 'payments/Receipt';

/** Somebody may no longer call somebody. */
export const denied: Act = {
  name: 'denied',
  title: 'An intention denies: storefront may not call payments',
  promise: 'within 1 s each of these calls is PERMISSION_DENIED, and no other call fails',
  play: async ({ cast, wait, tell }) => {
    await wait(1000);
    await cast.agent.deny('storefront', 'payments');
    const at = wallMs();
    tell('intention storefront -> payments: deny. Orders still may');
    await wait(3000);
    return { at };
  },
  judge: ({ calls, failed, at }) => {
    const strangers = failed.filter(
      ({ what, code, beganAt, tookMs }) =>
        what !== forbidden || code !== 'PERMISSION_DENIED' || beganAt + tookMs < at - 50,
    );
    const late = calls.filter(({ what, beganAt }) => what === forbidden && beganAt > at + holdsMs);
    const through = late.filter(({ code }) => code !== 'PERMISSION_DENIED');
    return [
      ...strangers.slice(0, 3).map((call) => `must not fail: ${described(call)}`),
      ...(late.length === 0 ? ['the denied caller did not call'] : []),
      ...(through.length === 0
        ? []
        : [
            `${through.length} of ${late.length} calls of the denied caller went through after ${holdsMs} ms, the first ${Math.round(through[0]!.beganAt - at)} ms after the denial (${through[0]!.id})`,
          ]),
    ];
  },
  follow: ({ failed }) => failed.at(-1),
  restore: async ({ cast }) => {
    await cast.agent.allow('storefront', 'payments');
  },
};
