import type { Life, Spending, Waiter } from '../core/life.ts';
import type { Status } from '../core/status.ts';
import { Timer, type Wheel } from '../core/wheel.ts';

/** Lets `ms` go by; null when they have, the status when the call was cancelled meanwhile. Leaves nothing behind. */
export const pause = (wheel: Wheel, life: Life, ms: number, doing: string): Promise<Status | null> =>
  new Pause(wheel, life, ms, doing).over;

/** A call's time of waiting, in milliseconds: over when it is up, by `end`, or with the call. Leaves nothing behind. */
export class Pause extends Timer implements Waiter {
  readonly doing: string;
  readonly spending: Spending;
  readonly since: number;
  /** Null when its time was up or it was ended, the status when the call was cancelled meanwhile. */
  readonly over: Promise<Status | null>;
  readonly #wheel: Wheel;
  readonly #life: Life;
  #settle!: (status: Status | null) => void;

  /** `spending`: what the call's time counts as. */
  constructor(wheel: Wheel, life: Life, ms: number, doing: string, spending: Spending = 'waitMs') {
    super();
    this.spending = spending;
    this.since = wheel.now();
    this.#wheel = wheel;
    this.#life = life;
    this.doing = doing;
    this.over = new Promise((resolve) => {
      this.#settle = resolve;
    });
    wheel.armAt(this, this.since + ms);
    life.wait(this);
  }

  /** What it waited for has come. */
  end(): void {
    this.#wheel.disarm(this);
    this.expire();
  }

  expire(): void {
    this.#life.leave(this);
    this.#over(null);
  }

  cancelled(status: Status): void {
    this.#wheel.disarm(this);
    this.#over(status);
  }

  #over(status: Status | null): void {
    this.#life.spend(this.spending, this.#wheel.now() - this.since);
    this.#settle(status);
  }
}
