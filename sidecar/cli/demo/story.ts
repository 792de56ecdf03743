import type { Act } from './act.ts';
import { agentGone } from './acts/agent-gone.ts';
import { denied } from './acts/denied.ts';
import { healthy } from './acts/healthy.ts';
import { killed } from './acts/killed.ts';
import { rotated } from './acts/rotated.ts';
import { unavailable } from './acts/unavailable.ts';

/** The story, in the order in which it is told. */
export const story: readonly Act[] = [healthy, killed, unavailable, agentGone, denied, rotated];

/** Each defence that can be taken away, and the act that must fail without it. */
export const actWithout: Readonly<Record<string, string>> = {
  retry: 'killed',
  eject: 'unavailable',
  snapshot: 'agent-gone',
  intentions: 'denied',
  identity: 'rotated',
};
