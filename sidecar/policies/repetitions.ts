import type { Call } from '../core/call.ts';
import type { Kit } from '../core/kit.ts';
import type { Witness } from '../core/life.ts';
import type { Policy } from '../core/policy.ts';
import type { Fields, Reply } from '../core/reply.ts';
import { pushbackIn } from '../core/retry-pushback.ts';
import { Code, type Status } from '../core/status.ts';
import type { Latencies } from './latencies.ts';
import { RetryBudget } from './retry-budget.ts';
import { RetryTokens } from './retry-tokens.ts';

/**
 * Why a call is sent once more: nobody saw it (`transparent`), it failed and may be executed twice (`retry`), or its
 * attempt is silent or failed while others are under way (`hedge`).
 */
export type Kind = 'transparent' | 'retry' | 'hedge';

/** Why a repetition was due and not made; `budget-shadow`: it was made, and would not be with the mode on. */
export type RefusedFor = 'budget' | 'budget-shadow' | 'tokens' | 'deadline' | 'pushback' | 'layer';

/** Services of which something is kept. */
const mostServices = 1024;

/** A call has no time left when all but so many took longer: then another try cannot fit. */
const quickest = 0.05;

/** Repetitions keeps what repeating calls costs each service; retries and hedges draw on the same. */
export class Repetitions {
  readonly #kit: Kit;
  readonly #latencies: Latencies;
  readonly #byService: Map<string, Account> = new Map();

  constructor(kit: Kit, latencies: Latencies) {
    this.#kit = kit;
    this.#latencies = latencies;
  }

  /** What is kept of `service`. */
  of(service: string): Account {
    const known = this.#byService.get(service);
    if (known !== undefined) return known;
    // Names come and go with Consul: what is forgotten begins anew, with nothing spent.
    if (this.#byService.size >= mostServices) this.#byService.clear();
    const account = new Account(this.#kit, this.#latencies, service);
    this.#byService.set(service, account);
    return account;
  }
}

/** What repetitions of calls to one service cost, and whether there may be another. */
export class Account {
  readonly #kit: Kit;
  readonly #latencies: Latencies;
  readonly #service: string;
  readonly #budget: RetryBudget = new RetryBudget();
  readonly #tokens: RetryTokens = new RetryTokens();

  constructor(kit: Kit, latencies: Latencies, service: string) {
    this.#kit = kit;
    this.#latencies = latencies;
    this.#service = service;
  }

  /** A call begins: counted once, however often it is tried. */
  begun(call: Call): void {
    this.#budget.call(call.arrival.arrivedAt);
  }

  /**
   * Whether `call` may be sent once more after `waitMs`; a yes is paid for. `isFree`: the first try that reached nobody
   * costs nothing, for it was no load to anybody.
   */
  allows(call: Call, kind: Kind, waitMs: number, isFree: boolean): boolean {
    const now = this.#kit.clock.now();
    const { budget, tokens } = call.policy;
    const leastMs = this.#latencies.quantile(call.method, quickest) ?? 0;
    if (now + waitMs + leastMs >= call.deadlineAt) return this.refuse('deadline');
    if (isFree) return true;
    if (kind !== 'transparent' && tokens.most !== null && !this.#tokens.allows(tokens.most))
      return this.refuse('tokens');
    if (budget.mode !== 'off' && !this.#budget.allows(now, budget.percent, budget.floor)) {
      if (budget.mode === 'on') return this.refuse('budget');
      this.refuse('budget-shadow');
    }
    this.#budget.spend(now);
    return true;
  }

  /** A repetition that was due is not made. Answers false, so that it can be said at once. */
  refuse(why: RefusedFor): false {
    this.#kit.meter.count('outrigger_retries_refused_total', this.#service, why).value++;
    return false;
  }

  /** A repetition begins. */
  made(kind: Kind): void {
    this.#kit.meter.count('outrigger_retries_total', this.#service, kind).value++;
  }

  /** Learns from an attempt's reply; to be called where the policy has tokens. */
  hear({ policy, life }: Call, reply: Reply): void {
    if (reply.over !== null) this.learn(policy, reply.over, reply.trailers);
    else life.witness(new Outcome(this, policy, reply));
  }

  /** For Outcome. */
  learn({ tokens, retry }: Policy, status: Status, trailers: Fields): void {
    if (tokens.most === null) return;
    const isFailure = status.reached && retry.codes.some((code) => code === status.code);
    if (isFailure || pushbackIn(trailers) === -1) this.#tokens.failed(tokens.most);
    else if (status.code === Code.OK) this.#tokens.wentWell(tokens.ratio);
  }
}

/** Tells how a reply that had begun ended. */
class Outcome implements Witness {
  earlier: Witness | null = null;
  readonly #account: Account;
  readonly #policy: Policy;
  readonly #reply: Reply;

  constructor(account: Account, policy: Policy, reply: Reply) {
    this.#account = account;
    this.#policy = policy;
    this.#reply = reply;
  }

  over(status: Status): void {
    this.#account.learn(this.#policy, status, this.#reply.trailers);
  }
}
