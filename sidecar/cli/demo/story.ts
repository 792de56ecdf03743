import type { Act } from './act.ts';
import { agentGone } from './acts/agent-gone.ts';
import { denied } from './acts/denied.ts';
import { healthy } from './acts/healthy.ts';
import { hung } from './acts/hung.ts';
import { killed } from './acts/killed.ts';
import { replaced } from './acts/replaced.ts';
import { rotated } from './acts/rotated.ts';
import { slow } from './acts/slow.ts';
import { unavailable } from './acts/unavailable.ts';

/** The story, in the order in which it is told. */
export const story: readonly Act[] = [
  healthy,
  killed,
  unavailable,
  hung,
  slow,
  replaced,
  agentGone,
  denied,
  rotated,
];

/** Each defence that can be taken away, and the acts that must fail without it. */
export const actsWithout: Readonly<Record<string, readonly string[]>> = {
  retry: ['killed'],
  eject: ['unavailable'],
  balance: ['hung', 'slow'],
  drain: ['replaced'],
  snapshot: ['agent-gone'],
  intentions: ['denied'],
  identity: ['rotated'],
};
