import type { Life, Witness } from '../core/life.ts';
import { Code, ended } from '../core/status.ts';
import { Timer, type Wheel } from '../core/wheel.ts';

/** Ends a call at a time, unless it is over before. Leaves nothing behind. */
export class TimeLimit extends Timer implements Witness {
  earlier: Witness | null = null;
  readonly #life: Life;
  readonly #wheel: Wheel;
  readonly #tell: (doing: string) => string;

  /** `endAt` in monotonic milliseconds; `tell` makes the message of what the call is doing when it ends. */
  constructor(life: Life, wheel: Wheel, endAt: number, tell: (doing: string) => string) {
    super();
    this.#life = life;
    this.#wheel = wheel;
    this.#tell = tell;
    life.witness(this);
    if (life.outcome === null) wheel.armAt(this, endAt);
  }

  over(): void {
    this.#wheel.disarm(this);
  }

  /** For whoever finds a bug below: the call ends otherwise. */
  forget(): void {
    this.#life.forget(this);
    this.over();
  }

  expire(): void {
    this.#life.cancel(ended(Code.DEADLINE_EXCEEDED, this.#tell(this.#life.doing || 'in the mesh')));
  }
}
