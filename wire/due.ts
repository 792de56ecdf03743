import { tickMs } from './loop.ts';

/** How long streams may finish once draining, where nothing else was said, in milliseconds. */
export const defaultDrainMs = 30_000;

/** When a connection is to end without anybody's fault. Milliseconds; 0: never. */
export interface Ends {
  readonly maxAgeMs: number;
  readonly mustEndMs: number;
  readonly drainMs: number;
  readonly idleLimitMs: number;
}

/** What is due, and how long what is in progress may take: 0 is now. */
export interface Due {
  readonly reason: string;
  readonly limitMs: number;
}

/** What is due for a connection of that age which has been idle for so long; null while nothing is. */
export const dueFor = (ends: Ends, ageMs: number, idleMs: number): Due | null => {
  const { maxAgeMs, mustEndMs, drainMs, idleLimitMs } = ends;
  if (mustEndMs > 0 && ageMs >= mustEndMs) return { reason: 'its time is over', limitMs: 0 };
  const lastMs = Math.min(mustEndMs / 10, drainMs);
  if (mustEndMs > 0 && ageMs >= mustEndMs - lastMs)
    return { reason: 'its time is nearly over', limitMs: lastMs };
  // Replaced for its age alone: what is in progress may take the time that it needs.
  if (maxAgeMs > 0 && ageMs >= maxAgeMs)
    return { reason: 'maximum connection age', limitMs: Number.POSITIVE_INFINITY };
  return idleLimitMs > 0 && idleMs >= idleLimitMs ? { reason: 'idle', limitMs: drainMs } : null;
};

/** Whether a limit of time would be passed before the next tick: it is a promise, so the tick before keeps it. */
export const isDue = (ageMs: number, limitMs: number): boolean =>
  ageMs >= limitMs - Math.min(tickMs, limitMs / 10);
