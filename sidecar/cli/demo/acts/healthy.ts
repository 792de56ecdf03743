import { type Act, noneFailed } from '../act.ts';
import { wallMs } from '../diary.ts';

/** Everything is well. */
export const healthy: Act = {
  name: 'healthy',
  title: 'Everything is well',
  promise: 'no call fails',
  play: async ({ wait, tell }) => {
    const at = wallMs();
    tell('users order, browse and fill baskets: unary calls, a server stream, a bidirectional stream');
    await wait(4000);
    return { at };
  },
  judge: noneFailed,
};
