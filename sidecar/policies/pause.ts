import type { Life, Waiter } from '../core/life.ts';
import type { Status } from '../core/status.ts';
import type { Timer, Wheel } from '../core/wheel.ts';

/** Lets `ms` go by; null when they have, the status when the call was cancelled meanwhile. Leaves nothing behind. */
export const pause = (wheel: Wheel, life: Life, ms: number, doing: string): Promise<Status | null> =>
  new Promise((resolve) => {
    const rest = new Pause(wheel, life, doing, resolve);
    wheel.arm(rest, ms);
    life.wait(rest);
  });

class Pause implements Timer, Waiter {
  slot = -1;
  dueAt = 0;
  before: Timer | null = null;
  after: Timer | null = null;
  readonly doing: string;
  readonly #wheel: Wheel;
  readonly #life: Life;
  readonly #resolve: (status: Status | null) => void;

  constructor(wheel: Wheel, life: Life, doing: string, resolve: (status: Status | null) => void) {
    this.#wheel = wheel;
    this.#life = life;
    this.doing = doing;
    this.#resolve = resolve;
  }

  expire(): void {
    this.#life.leave(this);
    this.#resolve(null);
  }

  cancelled(status: Status): void {
    this.#wheel.disarm(this);
    this.#resolve(status);
  }
}
