import type { Call } from '../core/call.ts';
import type { Cell } from '../core/cell.ts';
import type { Kit } from '../core/kit.ts';
import type { Waiter } from '../core/life.ts';
import type { Count } from '../core/meter.ts';
import { type Reply, refuse } from '../core/reply.ts';
import type { Snapshot } from '../core/snapshot.ts';
import type { Status } from '../core/status.ts';
import type { Timer } from '../core/wheel.ts';

/**
 * FirstAnswers keeps calls to names that nobody has asked for yet, until a snapshot knows them or their patience
 * ends. It listens to the cell only while somebody waits.
 */
export class FirstAnswers {
  readonly #kit: Kit;
  readonly #snapshots: Cell<Snapshot>;
  readonly #patienceMs: number;
  readonly #most: number;
  readonly #waiting: Set<Waiting> = new Set();
  #deaf: (() => void) | null = null;

  constructor(
    kit: Kit,
    snapshots: Cell<Snapshot>,
    limits: { readonly firstAnswerMs: number; readonly mostWaiting: number },
  ) {
    this.#kit = kit;
    this.#snapshots = snapshots;
    this.#patienceMs = limits.firstAnswerMs;
    this.#most = limits.mostWaiting;
  }

  /** Lets `call` go on, under the snapshot of then, once `name` has an answer or patience ends; null when full. */
  wait(call: Call, name: string, goOn: (call: Call) => Promise<Reply>): Promise<Reply> | null {
    // The answer may have come since the call read the cell: there is nothing to wait for then.
    if (answered(this.#snapshots.value, name)) return goOn(call.under(this.#snapshots.value));
    if (this.#waiting.size >= this.#most) return null;
    return new Promise((resolve, reject) => {
      const waiting = new Waiting(this, call, name, goOn, resolve, reject);
      this.#waiting.add(waiting);
      this.#deaf ??= this.#snapshots.listen((snapshot) => this.#hear(snapshot));
      this.#kit.wheel.arm(waiting, this.#patienceMs);
      call.life.wait(waiting);
    });
  }

  /** For Waiting: it is over, as `outcome` says. */
  over(waiting: Waiting, outcome: 'answered' | 'timeout' | 'cancelled'): Snapshot {
    this.#waiting.delete(waiting);
    this.#kit.wheel.disarm(waiting);
    this.#count(outcome).value++;
    if (this.#waiting.size === 0) {
      this.#deaf?.();
      this.#deaf = null;
    }
    return this.#snapshots.value;
  }

  #hear(snapshot: Snapshot): void {
    for (const waiting of [...this.#waiting]) if (answered(snapshot, waiting.name)) waiting.leave('answered');
  }

  #count(outcome: string): Count {
    return this.#kit.meter.count('outrigger_route_waits_total', outcome);
  }
}

const answered = (snapshot: Snapshot, name: string): boolean =>
  snapshot.services.has(name) || snapshot.asked.has(name);

/** One call that waits. */
class Waiting implements Timer, Waiter {
  slot = -1;
  dueAt = 0;
  before: Timer | null = null;
  after: Timer | null = null;
  readonly name: string;
  readonly #home: FirstAnswers;
  readonly #call: Call;
  readonly #goOn: (call: Call) => Promise<Reply>;
  readonly #resolve: (reply: Reply | Promise<Reply>) => void;
  readonly #reject: (bug: unknown) => void;

  constructor(
    home: FirstAnswers,
    call: Call,
    name: string,
    goOn: (call: Call) => Promise<Reply>,
    resolve: (reply: Reply | Promise<Reply>) => void,
    reject: (bug: unknown) => void,
  ) {
    this.#home = home;
    this.#call = call;
    this.name = name;
    this.#goOn = goOn;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get doing(): string {
    return `waiting for the first answer about service '${this.name}'`;
  }

  expire(): void {
    this.leave('timeout');
  }

  cancelled(status: Status): void {
    this.#home.over(this, 'cancelled');
    this.#resolve(refuse(status));
  }

  leave(outcome: 'answered' | 'timeout'): void {
    const snapshot = this.#home.over(this, outcome);
    this.#call.life.leave(this);
    try {
      this.#resolve(this.#goOn(this.#call.under(snapshot)));
    } catch (bug) {
      this.#reject(bug);
    }
  }
}
