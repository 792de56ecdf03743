import type { Call } from '../core/call.ts';
import type { Cell } from '../core/cell.ts';
import type { Kit } from '../core/kit.ts';
import { type Reply, refuse } from '../core/reply.ts';
import type { Snapshot } from '../core/snapshot.ts';
import { Pause } from './pause.ts';

/**
 * FirstAnswers keeps calls to names that nobody has asked for yet, until a snapshot knows them or their patience
 * ends. It listens to the cell only while somebody waits.
 */
export class FirstAnswers {
  readonly #kit: Kit;
  readonly #snapshots: Cell<Snapshot>;
  readonly #patienceMs: number;
  readonly #most: number;
  readonly #waiting: Map<Pause, string> = new Map();
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
    return this.#waiting.size < this.#most ? this.#wait(call, name, goOn) : null;
  }

  async #wait(call: Call, name: string, goOn: (call: Call) => Promise<Reply>): Promise<Reply> {
    const doing = `waiting for the first answer about service '${name}'`;
    this.#deaf ??= this.#snapshots.listen((snapshot) => this.#hear(snapshot));
    const pause = new Pause(this.#kit.wheel, call.life, this.#patienceMs, doing, 'pickMs');
    this.#waiting.set(pause, name);
    const cancelled = await pause.over;
    this.#leave(pause);
    const snapshot = this.#snapshots.value;
    const outcome = cancelled !== null ? 'cancelled' : answered(snapshot, name) ? 'answered' : 'timeout';
    this.#kit.meter.count('outrigger_route_waits_total', outcome).value++;
    return cancelled !== null ? refuse(cancelled) : goOn(call.under(snapshot));
  }

  #leave(pause: Pause): void {
    this.#waiting.delete(pause);
    if (this.#waiting.size > 0) return;
    this.#deaf?.();
    this.#deaf = null;
  }

  #hear(snapshot: Snapshot): void {
    for (const [pause, name] of this.#waiting) if (answered(snapshot, name)) pause.end();
  }
}

const answered = (snapshot: Snapshot, name: string): boolean =>
  snapshot.services.has(name) || snapshot.asked.has(name);
