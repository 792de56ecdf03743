import type { Kit } from '../core/kit.ts';
import { timer } from '../core/wheel.ts';

/** Settles after `ms` milliseconds, or at once when `signal` aborts. Never rejects, and leaves nothing behind. */
export const pause = (kit: Pick<Kit, 'wheel'>, ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((settle) => {
    if (signal.aborted) return settle();
    const over = (): void => {
      kit.wheel.disarm(end);
      signal.removeEventListener('abort', over);
      settle();
    };
    const end = timer(over);
    signal.addEventListener('abort', over);
    kit.wheel.arm(end, ms);
  });
