import type { Time } from '../../../sidecar/consul-dev/time.ts';

/** A time that moves only when told; chance is always in the middle. */
export interface StillTime extends Time {
  /** Lets `ms` go by, calling what falls due in its order. */
  pass(ms: number): void;
  /** Timers that are armed. */
  readonly armed: number;
}

/** Makes a time that stands still. */
export const stillTime = (): StillTime => {
  let now = 1000;
  const due = new Set<{ at: number; then: () => void }>();
  return {
    now: () => now,
    wall: () => 1_700_000_000_000 + now,
    random: () => 0.5,
    get armed() {
      return due.size;
    },
    after(ms, then) {
      const timer = { at: now + ms, then };
      due.add(timer);
      return () => due.delete(timer);
    },
    pass(ms) {
      const end = now + ms;
      for (;;) {
        const next = [...due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        due.delete(next);
        now = next.at;
        next.then();
      }
      now = end;
    },
  };
};
