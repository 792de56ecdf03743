import type { Kit } from '../core/kit.ts';
import type { Timer } from '../core/wheel.ts';

/** Settles after `ms` milliseconds, or at once when `signal` aborts. Never rejects, and leaves nothing behind. */
export const pause = (kit: Pick<Kit, 'wheel'>, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((settle) => {
    if (signal.aborted) return settle();
    const over = (): void => {
      kit.wheel.disarm(timer);
      signal.removeEventListener('abort', over);
      settle();
    };
    const timer: Timer = { expire: over, slot: -1, dueAt: 0, before: null, after: null };
    signal.addEventListener('abort', over);
    kit.wheel.arm(timer, ms);
  });
