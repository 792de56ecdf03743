import { type Act, noneFailed } from '../act.ts';
import { wallMs } from '../diary.ts';

/** Consul is gone. */
export const agentGone: Act = {
  name: 'agent-gone',
  title: 'The Consul agent is killed',
  promise: 'no call notices',
  play: async ({ cast, wait, tell }) => {
    await wait(1000);
    const at = wallMs();
    cast.agent.kill();
    tell(`SIGKILL for the agent (pid ${cast.agent.child.pid}); sidecars keep what they last knew`);
    await wait(4000);
    return { at };
  },
  judge: noneFailed,
  restore: async ({ cast }) => {
    await cast.agent.restart();
  },
};
