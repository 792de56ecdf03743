import { type Body, emptyBody } from '../../sidecar/core/body.ts';
import type { Attempt, RoutedCall } from '../../sidecar/core/call.ts';
import type { Filter } from '../../sidecar/core/filter.ts';
import type { Life, Waiter } from '../../sidecar/core/life.ts';
import type { PolicyWords } from '../../sidecar/core/policy.ts';
import { type Reply, refuse } from '../../sidecar/core/reply.ts';
import type { Status } from '../../sidecar/core/status.ts';
import { balance } from '../../sidecar/filters/balance.ts';
import { eject } from '../../sidecar/filters/eject.ts';
import { hedge } from '../../sidecar/filters/hedge.ts';
import { Latencies } from '../../sidecar/policies/latencies.ts';
import { Repetitions } from '../../sidecar/policies/repetitions.ts';
import { type FakeEndpoint, HeldReply, routedCall, run, settled, snapshot } from './calls.ts';
import { type StillKit, stillKit } from './kit.ts';
import { always } from './policies.ts';
import { inventory, type Said } from './tries.ts';

/** An attempt in the test's hand: it plays the connection's part. */
export class HeldAttempt implements Waiter {
  readonly attempt: Attempt;
  readonly endpoint: FakeEndpoint;
  readonly reply: Promise<Reply>;
  /** How it was cancelled before its reply began; null while it was not. */
  cancelledBy: Status | null = null;
  readonly #life: Life;
  #resolve!: (reply: Reply) => void;

  constructor(attempt: Attempt) {
    this.attempt = attempt;
    this.endpoint = attempt.endpoint as FakeEndpoint;
    this.#life = attempt.call.life;
    this.reply = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#life.wait(this);
  }

  get doing(): string {
    return `at ${this.endpoint.address.id}`;
  }

  /** The reply begins, and goes on until it is told to end. */
  begin(): HeldReply {
    const reply = new HeldReply(this.#life);
    this.#resolve(reply);
    return reply;
  }

  /** The attempt ends without a reply that began. */
  fail(said: Said | Status): void {
    this.#life.leave(this);
    this.#resolve('status' in said ? refuse(said.status, said.trailers) : refuse(said));
  }

  cancelled(status: Status): void {
    this.cancelledBy = status;
    this.#resolve(refuse(status));
  }
}

/** A method that is hedged twice, after 50 ms each. */
export const hedged: PolicyWords = { idempotent: true, hedge: { after: 50, attempts: 3 } };

/** What a race is about. */
export interface RaceWords {
  readonly words?: PolicyWords;
  readonly body?: Body;
  /** How long one in twenty of the method's calls took lately; nothing is known when absent. */
  readonly slowMs?: number;
}

/** One call in the middle of hedge, balance and eject, its attempts in the test's hand. */
export class Raced {
  readonly kit: StillKit = stillKit();
  readonly met: readonly FakeEndpoint[];
  readonly attempts: HeldAttempt[] = [];
  readonly life: Life;
  readonly status: Promise<Status>;
  commits = 0;

  constructor(met: readonly FakeEndpoint[], { words = hedged, body = emptyBody, slowMs }: RaceWords = {}) {
    this.met = met;
    const latencies = new Latencies(this.kit.clock);
    if (slowMs !== undefined)
      for (let i = 0; i < 100; i++)
        latencies.of('/shop.Inventory/Get')!.record(i < 94 ? 1 : slowMs, this.kit.clock.now());
    const filter = hedgeOver(this.kit, met, latencies);
    const balanced = balance(this.kit, () => met);
    const judged = eject(this.kit);
    const noting: Body = { ...body, commit: () => void this.commits++ };
    const said = snapshot({ policies: always(words) });
    const routed = routedCall(this.kit.clock, inventory, { body: noting, snapshot: said });
    this.life = routed.call.life;
    const send = (attempt: Attempt): Promise<Reply> => {
      const held = new HeldAttempt(attempt);
      this.attempts.push(held);
      return held.reply;
    };
    this.status = run(
      (each) => filter(each, (again) => balanced(again, (attempt) => judged(attempt, send))),
      routed,
    );
  }

  /** Lets what has happened be heard, and then time go by. */
  async pass(ms: number): Promise<void> {
    await settled();
    this.kit.pass(ms);
    await settled();
  }

  /** A counter of the service. */
  count(name: string, ...labels: string[]): number {
    return this.kit.meter.count(name, 'inventory', ...labels).value;
  }
}

/** Hedge over these endpoints, with a budget of its own. */
export const hedgeOver = (
  kit: StillKit,
  met: readonly FakeEndpoint[],
  latencies: Latencies = new Latencies(kit.clock),
): Filter<RoutedCall> =>
  hedge(kit, { endpoints: () => met, repetitions: new Repetitions(kit, latencies), latencies });
