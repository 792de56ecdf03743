import type { Address } from '../../sidecar/core/endpoint.ts';
import { Code, ok, type Status } from '../../sidecar/core/status.ts';
import type { Chance } from './chance.ts';
import type { Exchange } from './exchange.ts';
import { type Fault, type Span, Troubles } from './faults.ts';
import type { Latency } from './latency.ts';
import type { SimulatedLink } from './link.ts';
import type { VirtualTime } from './time.ts';

/** What an app is able to do. */
export interface Ability {
  readonly latency: Latency;
  /** Calls that it works on at one time; others wait, first come first served. */
  readonly capacity: number;
}

/** What an app does in the middle of a call: calls another service, and hears how that went. */
export type Onward = (exchange: Exchange, done: (status: Status) => void) => void;

/** An app that fails, fails fast: that is what makes it attractive. */
const failMs = 1;
const healthMs = 1;
const slowerMs = 500;
const healthMethod = '/grpc.health.v1.Health/Check';

/** Instance is one simulated app: it works on calls, lets others wait, and goes wrong when told. */
export class Instance {
  readonly address: Address;
  readonly time: VirtualTime;
  readonly troubles: Troubles = new Troubles();
  /** Connections that are ready or draining. */
  readonly links: Set<SimulatedLink> = new Set();
  /** Calls that reached it, and health checks. */
  calls = 0;
  checks = 0;
  /** Set when the app calls others. */
  onward: Onward | null = null;
  readonly #ability: Ability;
  readonly #random: Chance;
  readonly #waiting: Exchange[] = [];
  #working = 0;

  constructor(address: Address, time: VirtualTime, ability: Ability, random: Chance) {
    this.address = address;
    this.time = time;
    this.#ability = ability;
    this.#random = random;
  }

  /** Plans a fault. */
  faulty(fault: Fault, span: Span): void {
    const { fromMs } = this.troubles.add(fault, span);
    if (fault === 'dead')
      this.time.at(fromMs, () => {
        for (const link of [...this.links]) link.close('connection reset');
      });
    if (fault === 'goaway')
      this.time.at(fromMs, () => {
        for (const link of [...this.links]) link.goAway();
      });
  }

  /** A call has come. */
  take(exchange: Exchange): void {
    if (exchange.call.method === healthMethod) return this.#check(exchange);
    this.calls++;
    const now = this.time.now();
    const { troubles } = this;
    if (troubles.is('hang', now)) return;
    if (troubles.is('unavailable', now)) return this.#fail(exchange);
    if (troubles.is('random', now) && this.#random() < 0.5) return this.#fail(exchange);
    if (troubles.is('reset', now)) return this.#reset(exchange);
    if (this.#working < this.#ability.capacity) this.#work(exchange);
    else this.#waiting.push(exchange);
  }

  /** Work that has begun goes on to its end, though the caller be gone: few apps look. */
  #work(exchange: Exchange): void {
    this.#working++;
    const now = this.time.now();
    const ms = this.#ability.latency(this.#random) + (this.troubles.is('slow', now) ? slowerMs : 0);
    this.time.at(this.troubles.doneAt(now, ms), () => {
      if (this.onward === null || exchange.over !== null) this.#answer(exchange, ok);
      else this.onward(exchange, (status) => this.#answer(exchange, status));
    });
  }

  #answer(exchange: Exchange, status: Status): void {
    this.#working--;
    if (status.code === Code.OK) exchange.begin();
    exchange.end(status);
    while (this.#working < this.#ability.capacity) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      if (next.over === null) this.#work(next);
    }
  }

  #fail(exchange: Exchange): void {
    this.time.after(failMs, () => exchange.end(unavailable));
  }

  #reset(exchange: Exchange): void {
    const ms = this.#ability.latency(this.#random);
    this.time.after(ms / 2, () => exchange.begin());
    this.time.after(ms, () => exchange.reset());
  }

  /** Health is asked past all that waits; how the bytes of an answer look, `probe.ts` says. */
  #check(exchange: Exchange): void {
    this.checks++;
    const now = this.time.now();
    if (this.troubles.is('hang', now)) return;
    const isFailing = this.troubles.is('unavailable', now);
    this.time.at(this.troubles.doneAt(now, healthMs), () => exchange.say(isFailing ? notServing : serving));
  }
}

const unavailable: Status = Object.freeze({
  code: Code.UNAVAILABLE,
  message: 'told to fail',
  from: 'peer',
  reached: true,
});

/** grpc.health.v1.HealthCheckResponse behind its prefix. */
const serving = Uint8Array.of(0, 0, 0, 0, 2, 8, 1);
const notServing = Uint8Array.of(0, 0, 0, 0, 2, 8, 2);
