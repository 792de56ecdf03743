import { EventEmitter } from 'node:events';
import CircuitBreaker from 'opossum';
import type { GateState } from '../core/endpoint.ts';
import type { Kit } from '../core/kit.ts';
import type { Status } from '../core/status.ts';
import { Timer } from '../core/wheel.ts';
import { jittered } from '../policies/backoff.ts';
import { ConsecutiveFailures } from '../policies/consecutive-failures.ts';
import { type ProbeTimes, probeIntervalMs } from '../policies/probe-interval.ts';
import type { Verdict } from '../policies/verdict.ts';
import type { Health } from './probe.ts';

/** When a gate shuts and how it finds out that it may open. */
export interface GateSettings {
  /** Failures without a success between that shut the gate. */
  readonly consecutiveFailures: number;
  readonly probe: ProbeTimes;
  /** Share of the probe interval that chance moves, so that many sidecars do not probe together. */
  readonly jitter: number;
  /** A trial without a verdict for this long has failed, milliseconds. Without it a silent call shuts a gate for ever. */
  readonly trialMs: number;
  /** A gate that shuts again within this time of opening was opened on a false word, milliseconds. */
  readonly relapseMs: number;
}

/** Five failures, as Envoy and Finagle; a probe each second of an outage that has just begun. */
export const gateDefaults: GateSettings = {
  consecutiveFailures: 5,
  probe: { firstMs: 1000, longestMs: 60_000 },
  jitter: 0.2,
  trialMs: 10_000,
  relapseMs: 10_000,
};

/** What a gate asks of the endpoint it guards. */
export interface Guarded {
  /** False for the last available endpoint of a service, which stays open whatever it does. */
  mayShut(): boolean;
  /** False while a probe could not even be sent. */
  readonly reachable: boolean;
  /** Asks the app behind the endpoint how it is. Always settles. */
  probe(): Promise<Health>;
  /** Hears of every change. */
  changed(state: GateState, why: string): void;
}

/**
 * Gate lets calls to one endpoint pass, or keeps them away while it fails. It judges beside the call:
 *
 *   open ── 5 failures in a row ──► shut ── a probe each second ──┬─ serving ─────────► open
 *     ▲                               ▲                           ├─ failing ─────────► shut
 *     │                               │                           └─ unknown ─► probing (one real call on trial)
 *     └────────── success ────────────┴──────── failure ──────────────────────────────────┘
 *
 * A gate that was opened by a probe and falls again at once does not take the probe's word the next time: `serving`
 * is then `unknown`. Verdicts carry the epoch in which their call began; older ones are dropped, and a success
 * that began after the gate shut opens it.
 *
 * The only door to opossum. Its breaker exists while the gate is not open (a healthy endpoint costs nothing); its
 * open, closed and half-open stay in here. The call is never wrapped in `fire()`: what it fires is the verdict on
 * a trial. Its own clock is not used: each breaker is born in the state that our wheel says.
 */
export class Gate extends Timer {
  /** Grows with each change, taking the trial included. */
  epoch = 0;
  readonly #kit: Kit;
  readonly #guarded: Guarded;
  readonly #settings: GateSettings;
  readonly #failures: ConsecutiveFailures;
  #circuit: CircuitBreaker<[Promise<void>], void> | null = null;
  #trial: Trial | null = null;
  #probing = false;
  #shutAt = 0;
  #openedAt = Number.NEGATIVE_INFINITY;
  #relapses = 0;
  #closed = false;

  constructor(kit: Kit, guarded: Guarded, settings: GateSettings) {
    super();
    this.#kit = kit;
    this.#guarded = guarded;
    this.#settings = settings;
    this.#failures = new ConsecutiveFailures(settings.consecutiveFailures);
  }

  get state(): GateState {
    if (this.#circuit === null) return 'open';
    return this.#circuit.halfOpen ? 'probing' : 'shut';
  }

  /** Whether a call may pass now: open, or probing with the trial free. */
  get passes(): boolean {
    return this.#circuit === null || (this.#circuit.halfOpen && this.#trial === null);
  }

  /** Takes the trial while probing; false when another call has it. True when open. */
  enter(): boolean {
    if (this.#circuit === null) return true;
    if (!this.passes) return false;
    const trial = new Trial();
    this.#trial = trial;
    this.epoch++;
    // Rejects when the trial fails; the gate is shut by then.
    this.#circuit.fire(trial.verdict).catch(() => {});
    this.#kit.wheel.arm(this, this.#settings.trialMs);
    return true;
  }

  /** Shuts from now on after so many failures in a row. */
  tune(consecutiveFailures: number): void {
    this.#failures.limit = consecutiveFailures;
  }

  /** Hears how a call went that began in `epoch`. */
  judge(verdict: Verdict, epoch: number, cause?: Status): void {
    if (epoch !== this.epoch || this.#closed) return;
    if (this.#circuit === null) this.#judgeOpen(verdict, cause);
    else if (this.#circuit.halfOpen) this.#judgeTrial(verdict, cause?.message ?? '');
    else if (verdict === 'success') this.#circuit.close();
  }

  /** The endpoint can be reached again: a shut gate need not wait for its next probe. */
  hint(): void {
    if (this.state === 'shut' && !this.#probing && !this.#closed) this.#kit.wheel.arm(this, 0);
  }

  /** The endpoint is gone: leaves nothing behind. */
  close(): void {
    this.#closed = true;
    this.#kit.wheel.disarm(this);
    this.#circuit?.shutdown();
    this.#trial?.pass(); // its breaker no longer listens; a promise must not stay pending
    this.#trial = null;
  }

  /** A probe is due, or a trial has taken too long. */
  expire(): void {
    if (this.#trial !== null)
      this.#judgeTrial('failure', `the call on trial had no verdict for ${this.#settings.trialMs} ms`);
    else if (this.state === 'shut' && !this.#probing) void this.#probe();
  }

  #judgeOpen(verdict: Verdict, cause: Status | undefined): void {
    if (verdict === 'success') this.#failures.succeed();
    else if (verdict === 'failure' && this.#failures.fail() && this.#guarded.mayShut()) {
      const now = this.#kit.clock.now();
      const relapsed = now - this.#openedAt < this.#settings.relapseMs;
      this.#relapses = relapsed ? this.#relapses + 1 : 0;
      if (!relapsed) this.#shutAt = now;
      this.#renew('shut');
      this.#shut(
        `${this.#failures.count} failures in a row, the last: ${cause?.message ?? 'without a reason'}`,
      );
    }
  }

  #judgeTrial(verdict: Verdict, why: string): void {
    const trial = this.#trial;
    if (trial === null) return;
    this.#trial = null;
    this.#kit.wheel.disarm(this);
    if (verdict === 'success') trial.pass();
    else if (verdict === 'failure') {
      // Not left to the rejected promise, which the breaker hears two microtasks later: a retry is faster, would
      // find the trial free, and nobody would ever hear how it went.
      this.#relapses++;
      this.#renew('shut');
      this.#shut('the call on trial failed');
      trial.fail(why);
    } else {
      // Half-open takes no neutral answer: the breaker is replaced by one whose trial is free.
      this.#renew('probing');
      trial.pass();
      this.epoch++;
    }
  }

  async #probe(): Promise<void> {
    if (!this.#guarded.reachable) return this.#armProbe();
    const { epoch } = this;
    this.#probing = true;
    // A probe that throws is a bug below; the gate must not stay shut for ever because of it.
    const health = await this.#guarded.probe().catch(() => 'failing' as const);
    this.#probing = false;
    if (this.#closed) return;
    if (epoch !== this.epoch) {
      // The gate has opened and shut again meanwhile; the probe that fell due since then has waited for this one.
      if (this.state === 'shut' && this.slot < 0) void this.#probe();
      return;
    }
    if (health === 'failing') return this.#armProbe();
    if (health === 'serving' && this.#relapses === 0) {
      this.#circuit?.close();
      return;
    }
    this.#renew('probing');
    this.epoch++;
    this.#guarded.changed('probing', 'one call is on trial');
  }

  /** Puts a breaker in place that is born open or half-open, and takes the old one's timers and listeners away. */
  #renew(state: 'shut' | 'probing'): void {
    this.#circuit?.shutdown();
    const circuit = breaker(state === 'probing');
    circuit.on('close', () => this.#open());
    if (state === 'shut') circuit.open();
    this.#circuit = circuit;
  }

  #shut(why: string): void {
    this.epoch++;
    this.#armProbe();
    this.#guarded.changed('shut', why);
  }

  #open(): void {
    this.#circuit?.shutdown();
    this.#circuit = null;
    this.#trial = null;
    this.#failures.succeed();
    this.#kit.wheel.disarm(this);
    this.#openedAt = this.#kit.clock.now();
    this.epoch++;
    this.#guarded.changed('open', 'it answers again');
  }

  #armProbe(): void {
    const { probe, jitter } = this.#settings;
    const shutMs = this.#kit.clock.now() - this.#shutAt;
    const intervalMs = probeIntervalMs(probe, shutMs, this.#relapses);
    this.#kit.wheel.arm(this, jittered(intervalMs, jitter, this.#kit.random()));
  }
}

/** The verdict on a trial, as the breaker awaits it. */
class Trial {
  readonly verdict: Promise<void>;
  pass!: () => void;
  fail!: (why: string) => void;

  constructor() {
    this.verdict = new Promise((resolve, reject) => {
      this.pass = resolve;
      this.fail = (why) => reject(new Error(why));
    });
    // Nobody may be listening: a breaker that does not take the trial never looks at its promise.
    this.verdict.catch(() => {});
  }
}

/** The longest delay of a Node timer: opossum's half-open timer never fires, ours decides. */
const never = 2 ** 31 - 1;

/**
 * A breaker with options that are safe on a data path: its defaults keep two intervals and every latency, and one
 * failure would open it. The bucket controller is never told to rotate: a breaker sees one trial and is replaced.
 */
const breaker = (halfOpen: boolean): CircuitBreaker<[Promise<void>], void> => {
  const options = {
    timeout: false as const,
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
    resetTimeout: never,
    rotateBucketController: new EventEmitter(),
    state: {
      name: 'gate',
      enabled: true,
      closed: !halfOpen,
      open: false,
      halfOpen,
      warmUp: false,
      shutdown: false,
    },
  };
  return new CircuitBreaker((verdict: Promise<void>) => verdict, options);
};
