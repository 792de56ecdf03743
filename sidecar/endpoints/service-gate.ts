import type { GateState, ServiceGateView, Verdict } from '../core/endpoint.ts';
import type { Kit } from '../core/kit.ts';
import type { Mode, Policy } from '../core/policy.ts';
import type { Status } from '../core/status.ts';
import { SuccessRate } from '../policies/success-rate.ts';
import { shareToRefuse } from '../policies/throttle.ts';
import type { Endpoint } from './endpoint.ts';
import { Gate, type Guarded } from './gate.ts';
import { type GateSettings, gateDefaults } from './gate-settings.ts';
import { type Judgement, judgementOf } from './judgement.ts';
import type { Health } from './probe.ts';

/**
 * A probe each second as long as it takes: it must open within two seconds of recovery, and nothing else is sent to
 * the service meanwhile. No share of the calls: while any endpoint is well, retries and gates deal with the others.
 */
const settings: GateSettings = {
  ...gateDefaults,
  limits: { failures: 5, success: 0, calls: 1 },
  probe: { firstMs: 1000, quickMs: Number.POSITIVE_INFINITY, longestMs: 1000 },
};

/** Endpoints that are asked in one turn; a service with more than these has several turns. */
const mostAsked = 10;

/**
 * ServiceGate keeps calls away from a service of which all that is left fails, and some of them from one that refuses
 * most. It has no floor as the gates of endpoints have: a service with one endpoint, which is never shut, is shut as a
 * whole. What finds out that it is back are the probes of its endpoints.
 */
export class ServiceGate implements ServiceGateView, Guarded {
  readonly service: string;
  /** As of the latest snapshot. */
  endpoints: readonly Endpoint[] = [];
  /** Calls that it took in the last ten seconds, and calls that it or we refused because there were too many. */
  readonly #taken: SuccessRate = new SuccessRate();
  readonly #kit: Kit;
  readonly #gate: Gate;
  #breaks: Mode = 'on';
  #throttles: Mode = 'off';
  #factor = 2;
  /** The endpoint that was asked last. */
  #asked = -1;

  constructor(kit: Kit, service: string) {
    this.service = service;
    this.#kit = kit;
    this.#gate = new Gate(kit, this, settings);
  }

  get idle(): boolean {
    return this.#breaks === 'off' && this.#throttles === 'off';
  }

  get gate(): GateState {
    return this.#gate.state;
  }

  get epoch(): number {
    return this.#gate.epoch;
  }

  /** What its gate knows, for reports. */
  get judgement(): Judgement {
    return judgementOf(this.#gate, this.#kit.clock.now());
  }

  /** Takes over what a policy says. */
  tune({ breaker, throttle }: Pick<Policy, 'breaker' | 'throttle'>): void {
    this.#breaks = breaker.mode;
    this.#throttles = throttle.mode;
    this.#factor = throttle.factor;
    this.#gate.tune(breaker.mode, { ...settings.limits, failures: breaker.failures });
  }

  enter(): boolean {
    return this.#gate.enter();
  }

  throttles(at: number): boolean {
    // Nobody has refused anything lately: the usual case.
    if (this.#taken.ill === 0 || this.#throttles === 'off') return false;
    this.#taken.turn(at);
    const { well, ill } = this.#taken;
    const share = shareToRefuse(well + ill, well, this.#factor);
    if (share === 0 || this.#kit.random() >= share) return false;
    if (this.#throttles === 'shadow') {
      this.#kit.meter.count('outrigger_would_throttle_total', this.service).value++;
      return false;
    }
    this.#kit.meter.count('outrigger_throttled_total', this.service).value++;
    this.#taken.fail(at);
    return true;
  }

  judge(verdict: Verdict, epoch: number, cause?: Status, at: number = this.#kit.clock.now()): void {
    if (verdict === 'busy') this.#taken.fail(at);
    else if (verdict !== 'neutral') this.#taken.succeed(at);
    // Who has too much to do is not gone.
    this.#gate.judge(verdict === 'busy' ? 'success' : verdict, epoch, cause, at);
  }

  begun(epoch: number): void {
    this.#gate.begun(epoch);
  }

  refuse(): { readonly why: string; readonly nextMs: number } {
    this.#kit.meter.count('outrigger_breaker_refused_total', this.service).value++;
    return { why: this.#gate.why, nextMs: this.#gate.nextMs };
  }

  /** An endpoint of it recovers: it says how it is, or that it is connected again. */
  recovers(health: Health | null): void {
    if (health === null) this.#gate.hint(true);
    else this.#gate.told(health);
  }

  close(): void {
    this.#gate.close();
  }

  /** For Gate: the next of its endpoints is asked, as far as there are any. */
  get reachable(): boolean {
    return this.endpoints.length > 0;
  }

  /** For Gate: only when all that is left fails. Where nothing is left, calls are refused without our help. */
  mayShut(): boolean {
    return this.endpoints.length > 0 && this.endpoints.every(({ fails }) => fails);
  }

  /**
   * For Gate: one endpoint after the other until one is well, so that one probe is on its way at a time, and the only one
   * that has recovered need not wait for its turn. One that is shut itself is asked by its own gate; one that cannot be
   * reached says so by `recovers` when it can.
   */
  async probe(): Promise<Health> {
    for (const endpoint of this.endpoints) endpoint.hurry();
    const turns = Math.min(this.endpoints.filter(({ reachable }) => reachable).length, mostAsked);
    for (let turn = 0; turn < turns; turn++) {
      const endpoint = this.#nextReachable();
      if (endpoint === null) break;
      if (endpoint.gate === 'probing') return 'unknown';
      const health = endpoint.gate === 'open' ? await endpoint.probe() : 'failing';
      if (health !== 'failing') return health;
    }
    return 'failing';
  }

  /** For Gate. */
  changed(state: GateState, why: string): void {
    const { log, meter } = this.#kit;
    meter.count('outrigger_service_gate_changes_total', this.service, state).value++;
    const fields = { service: this.service, state, why };
    if (state === 'shut') log.warn(fields, 'service gate shut');
    else log.info(fields, state === 'open' ? 'service gate open' : 'service gate probing');
  }

  /** For Gate. */
  would(why: string): void {
    this.#kit.meter.count('outrigger_would_break_total', this.service).value++;
    this.#kit.log.info({ service: this.service, why }, 'service gate would shut');
  }

  #nextReachable(): Endpoint | null {
    const { length } = this.endpoints;
    for (let step = 1; step <= length; step++) {
      const at = (this.#asked + step) % length;
      if (!this.endpoints[at]!.reachable) continue;
      this.#asked = at;
      return this.endpoints[at]!;
    }
    return null;
  }
}
