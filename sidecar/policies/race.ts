import type { Body } from '../core/body.ts';
import type { Call, RoutedCall } from '../core/call.ts';
import type { EndpointView } from '../core/endpoint.ts';
import type { Service } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import { Life, type Waiter, type Witness } from '../core/life.ts';
import { type Reply, refuse } from '../core/reply.ts';
import { pushbackIn } from '../core/retry-pushback.ts';
import type { ServiceView } from '../core/snapshot.ts';
import { Code, ended, type Status } from '../core/status.ts';
import { Timer } from '../core/wheel.ts';
import { backoffMs } from './backoff.ts';
import type { Latencies } from './latencies.ts';
import { meetsAnother, repeatable } from './repeatable.ts';
import type { Account, Kind } from './repetitions.ts';

/** What a race looks at beside its call. */
export interface RaceParts {
  readonly endpoints: (service: ServiceView) => readonly EndpointView[];
  readonly latencies: Latencies;
}

/** Share of a wait that chance moves to either side. Ref: gRFC A6. */
const jitter = 0.2;

/** The time that this share of a method's calls took at most: who takes longer is hedged where a policy says `p95`. */
const slow = 0.95;

/** One attempt, with a life of its own. */
interface Runner {
  readonly call: Call;
  readonly isFirst: boolean;
}

const beaten: Status = Object.freeze(ended(Code.CANCELLED, 'another attempt answered first'));

/**
 * Race is the attempts of one call that may be under way at one time. The first good reply wins; each attempt has a life
 * of its own, and the race waits for the call's end in the place of all of them.
 */
export class Race extends Timer implements Waiter, Witness {
  earlier: Witness | null = null;
  readonly #kit: Kit;
  readonly #parts: RaceParts;
  readonly #account: Account;
  readonly #routed: RoutedCall;
  readonly #call: Call;
  readonly #next: Service<RoutedCall>;
  readonly #running: Set<Runner> = new Set();
  #attempts: number;
  #made = 0;
  #met: readonly EndpointView[];
  /** An attempt that is allowed and waits for its time; null while the timer, if armed, is for one beside the others. */
  #awaited: Kind | null = null;
  #waits = 0;
  #isFree = true;
  /** The latest reply that may be followed by another attempt: the answer when none is. */
  #failed: Reply | null = null;
  #winner: Runner | null = null;
  #isOver = false;
  readonly #reply: Promise<Reply>;
  #settle!: (reply: Reply) => void;
  #reject!: (bug: unknown) => void;

  constructor(
    kit: Kit,
    parts: RaceParts,
    account: Account,
    routed: RoutedCall,
    next: Service<RoutedCall>,
    attempts: number,
  ) {
    super();
    this.#kit = kit;
    this.#parts = parts;
    this.#account = account;
    this.#routed = routed;
    this.#call = routed.call;
    this.#next = next;
    this.#met = routed.met;
    this.#attempts = attempts;
    this.#reply = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#reject = reject;
    });
  }

  begin(): Promise<Reply> {
    this.#call.life.wait(this);
    if (!this.#isOver) this.#send(this.#call.body);
    return this.#reply;
  }

  get doing(): string {
    if (this.#winner !== null) return this.#winner.call.life.doing;
    if (this.#running.size === 0) return `waiting to try service '${this.#routed.service.name}' again`;
    const doing = [...this.#running].map(({ call }) => call.life.doing);
    return doing.filter((each) => each !== '').join(' and ');
  }

  /** It is time for another attempt. */
  expire(): void {
    const kind = this.#awaited;
    this.#awaited = null;
    if (kind === null) this.#hedge();
    else this.#repeat(kind);
  }

  /** The call was cancelled from above. */
  cancelled(status: Status): void {
    if (this.#winner !== null) this.#winner.call.life.cancel(status);
    if (this.#isOver) return;
    this.#stop(null, status);
    this.#settle(refuse(status));
  }

  /** The call is over, and with it the attempt that won. */
  over(status: Status): void {
    this.#winner?.call.life.settle(status);
  }

  #send(body: Body): void {
    const own = new Life(this.#kit.clock.now());
    own.id = this.#call.life.id;
    const runner: Runner = { call: this.#call.apart(own, body), isFirst: this.#made === 0 };
    this.#made++;
    this.#running.add(runner);
    this.#await(runner);
    if (own.at !== null) {
      this.#met = [...this.#met, own.at];
      this.#call.life.at = own.at;
      this.#call.life.attempts++;
    }
    this.#armHedge();
  }

  #await(runner: Runner): void {
    try {
      this.#next({ call: runner.call, service: this.#routed.service, met: this.#met }).then(
        (reply) => this.#begun(runner, reply),
        (bug: unknown) => this.#broke(runner, bug),
      );
    } catch (bug) {
      this.#broke(runner, bug);
    }
  }

  #armHedge(): void {
    this.#kit.wheel.disarm(this);
    if (this.#isOver || this.#made >= this.#attempts) return;
    const { policy, method } = this.#call;
    const { after } = policy.hedge;
    const afterMs = after === 'p95' ? this.#parts.latencies.quantile(method, slow) : after;
    if (afterMs !== null) this.#kit.wheel.arm(this, afterMs); // else nobody knows yet what is slow
  }

  /** Another attempt beside those that are silent. */
  #hedge(): void {
    const { body } = this.#call;
    const own = body.branch();
    // What is still on its way may come as long as it fits the recording.
    if (own === null) return body.replayable ? this.#armHedge() : undefined;
    // The same endpoint would be no quicker.
    if (!this.#meetsAnother()) return;
    if (!this.#account.allows(this.#call, 'hedge', 0, false)) return;
    this.#account.made('hedge');
    this.#send(own);
  }

  /** An attempt's reply. */
  #begun(runner: Runner, reply: Reply): void {
    this.#running.delete(runner);
    const { life, policy } = runner.call;
    if (this.#isOver) {
      reply.discard();
      life.settle(reply.over ?? beaten);
      return;
    }
    if (policy.tokens.most !== null) this.#account.hear(runner.call, reply);
    const why = repeatable(reply, policy);
    if (why === null) return this.#win(runner, reply);
    life.settle(reply.over!);
    this.#failed?.discard();
    this.#failed = reply;
    this.#follow(why === 'unseen' ? 'transparent' : 'hedge', reply);
    this.#loseIfNothingRuns();
  }

  /** Another attempt after one that has failed, at once or after a wait. */
  #follow(kind: Kind, reply: Reply): void {
    // Where nobody was met there is nobody else to meet.
    if (this.#made >= this.#attempts || this.#awaited !== null || this.#met.length === 0) return;
    const pushback = pushbackIn(reply.trailers);
    const waitMs = pushback ?? (this.#meetsAnother() ? 0 : this.#backoffMs());
    const isFree = kind === 'transparent' && this.#isFree;
    const may =
      waitMs < 0 ? this.#account.refuse('pushback') : this.#account.allows(this.#call, kind, waitMs, isFree);
    if (!may) {
      // Those that run may still answer; none begins beside them.
      this.#attempts = this.#made;
      this.#kit.wheel.disarm(this);
      return;
    }
    if (isFree) this.#isFree = false;
    if (waitMs === 0) return this.#repeat(kind);
    this.#awaited = kind;
    this.#kit.wheel.arm(this, waitMs);
  }

  /** What was allowed begins. */
  #repeat(kind: Kind): void {
    const { body } = this.#call;
    const own = this.#running.size > 0 ? body.branch() : body.replayable ? body : null;
    if (own !== null) {
      this.#account.made(kind);
      this.#send(own);
    }
    this.#loseIfNothingRuns();
  }

  #win(runner: Runner, reply: Reply): void {
    const { life } = this.#call;
    const own = runner.call.life;
    if (!runner.isFirst)
      this.#kit.meter.count('outrigger_hedges_won_total', this.#routed.service.name).value++;
    life.at = own.at;
    this.#stop(runner, beaten);
    if (reply.over !== null) {
      own.settle(reply.over);
      life.leave(this);
    } else {
      this.#winner = runner;
      life.witness(this);
    }
    this.#settle(reply);
  }

  #loseIfNothingRuns(): void {
    if (this.#isOver || this.#running.size > 0 || this.#awaited !== null || this.#failed === null) return;
    const reply = this.#failed;
    this.#failed = null;
    this.#stop(null, beaten);
    this.#call.life.leave(this);
    this.#settle(reply);
  }

  /** Something below is broken: a bug of ours, of which the listener tells the caller. */
  #broke(runner: Runner, bug: unknown): void {
    this.#running.delete(runner);
    runner.call.life.settle(ended(Code.INTERNAL, 'a filter threw'));
    if (this.#isOver) return;
    this.#stop(null, beaten);
    this.#call.life.leave(this);
    this.#reject(bug);
  }

  /** No attempt begins any more; those that run end with `status`, but for the winner. */
  #stop(winner: Runner | null, status: Status): void {
    this.#isOver = true;
    this.#kit.wheel.disarm(this);
    this.#failed?.discard();
    this.#failed = null;
    for (const other of this.#running) if (other !== winner) other.call.life.cancel(status);
    this.#running.clear();
    this.#call.body.commit();
  }

  #meetsAnother(): boolean {
    return meetsAnother(this.#parts.endpoints(this.#routed.service), this.#met);
  }

  #backoffMs(): number {
    const { 'first-wait': firstMs, 'longest-wait': longestMs } = this.#call.policy.retry;
    return backoffMs({ firstMs, longestMs, jitter }, this.#waits++, this.#kit.random());
  }
}
