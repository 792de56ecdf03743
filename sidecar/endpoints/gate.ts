import type { GateState, Verdict } from '../core/endpoint.ts';
import type { Kit } from '../core/kit.ts';
import type { Mode } from '../core/policy.ts';
import type { Status } from '../core/status.ts';
import { Timer } from '../core/wheel.ts';
import { jittered } from '../policies/backoff.ts';
import { probeIntervalMs } from '../policies/probe-interval.ts';
import { type FailureLimits, TrackRecord } from '../policies/track-record.ts';
import { type Circuit, circuit, Trial } from './circuit.ts';
import type { GateSettings } from './gate-settings.ts';
import type { Health } from './probe.ts';

/** In shadow what would have shut would have been out for a while: it is told again after this time, milliseconds. */
const shadowMs = 10_000;

/** What a gate asks of what it guards: an endpoint, or a whole service. */
export interface Guarded {
  /** False for the last available endpoint of a service, which stays open whatever it does. */
  mayShut(): boolean;
  /** False while a probe could not even be sent. */
  readonly reachable: boolean;
  /** Asks the app behind it how it is. Always settles. */
  probe(): Promise<Health>;
  /** Hears of every change. */
  changed(state: GateState, why: string): void;
  /** Hears that the gate would have shut, were it not in shadow. */
  would(why: string): void;
}

/**
 * Gate lets calls pass, or keeps them away from what fails. It judges beside the call:
 *
 *   open ── too many failures ──► shut ── a probe each second ──┬─ serving ─────────► open
 *     ▲                             ▲                           ├─ failing ─────────► shut
 *     │                             │                           └─ unknown ─► probing (one real call on trial)
 *     └───────── success ───────────┴───────── failure ─────────────────────────────────┘
 *
 * `serving` opens the gate only when a probe before it has failed: what says that it is well while its calls fail tells
 * nothing, and is `unknown`. So it is for a gate that was opened and falls again at once. Verdicts carry the epoch in which their call began; older ones are dropped, and a success
 * that began after the gate shut opens it.
 *
 * Its state and its trial are opossum's; what is too many is said by `policies/track-record.ts`. The breaker exists
 * while the gate is not open (what is well costs nothing). The call is never wrapped in `fire()`: what it fires is the
 * verdict on a trial. Its own clock is not used: each breaker is born in the state that our wheel says.
 */
export class Gate extends Timer {
  /** Grows with each change, taking the trial included. */
  epoch = 0;
  /** Why it is in its state; empty while it never changed. */
  why = '';
  /** When it changed last, wall-clock milliseconds; null while it never did. */
  since: number | null = null;
  /** What is known of the calls that passed. */
  readonly record: TrackRecord;
  readonly #kit: Kit;
  readonly #guarded: Guarded;
  readonly #settings: GateSettings;
  #mode: Mode = 'on';
  #circuit: Circuit | null = null;
  #trial: Trial | null = null;
  #probing = false;
  /** The reply of the call on trial has begun. */
  #sounds = false;
  /** A probe has failed since the gate shut: the next one that goes well tells something. */
  #wasIll = false;
  #shutAt = 0;
  #openedAt = Number.NEGATIVE_INFINITY;
  #relapses = 0;
  /** In shadow: until when it would have been shut. */
  #wouldUntil = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(kit: Kit, guarded: Guarded, settings: GateSettings) {
    super();
    this.#kit = kit;
    this.#guarded = guarded;
    this.#settings = settings;
    this.record = new TrackRecord(settings.limits);
  }

  get state(): GateState {
    if (this.#circuit === null) return 'open';
    return this.#circuit.halfOpen ? 'probing' : 'shut';
  }

  /** Whether a call may pass now: open, or probing with the trial free. */
  get passes(): boolean {
    return this.#circuit === null || (this.#circuit.halfOpen && this.#trial === null);
  }

  /** Not open, or in shadow and would not be. */
  get out(): boolean {
    return this.#circuit !== null || this.#kit.clock.now() < this.#wouldUntil;
  }

  /** Whether what is behind it fails: it is not open, or the latest that is known is a failure. */
  get fails(): boolean {
    return this.#circuit !== null || this.record.failsLately(this.#kit.clock.now());
  }

  /** Milliseconds until the next probe; 0 while one is on its way, and while none is needed. */
  get nextMs(): number {
    return this.state === 'shut' && this.slot >= 0 ? Math.max(0, this.dueAt - this.#kit.clock.now()) : 0;
  }

  /** Takes the trial while probing; false when another call has it. True when open. */
  enter(): boolean {
    if (this.#circuit === null) return true;
    if (!this.passes) return false;
    const trial = new Trial();
    this.#trial = trial;
    this.#sounds = false;
    this.epoch++;
    // Rejects when the trial fails; the gate is shut by then.
    this.#circuit.fire(trial.verdict).catch(() => {});
    this.#kit.wheel.arm(this, this.#settings.trialMs);
    return true;
  }

  /** Takes over what a policy says; one that no longer acts opens. */
  tune(mode: Mode, limits: FailureLimits): void {
    this.record.limits = limits;
    if (mode === this.#mode) return;
    this.#mode = mode;
    this.#wouldUntil = Number.NEGATIVE_INFINITY;
    if (mode !== 'on' && this.#circuit !== null && !this.#closed)
      this.#open(`it no longer acts: its mode is ${mode}`);
  }

  /** Hears how a call went that began in `epoch`. `at`: when it came, so that a success need not ask for the time. */
  judge(verdict: Verdict, epoch: number, cause?: Status, at?: number): void {
    if (epoch !== this.epoch || this.#closed) return;
    if (this.#circuit === null) {
      if (verdict === 'success') this.record.succeed(at ?? this.#kit.clock.now());
      else if (verdict !== 'neutral') this.#failed(verdict, cause);
    } else if (this.#circuit.halfOpen) this.#judgeTrial(verdict, cause?.message ?? '');
    else if (verdict === 'success') this.#circuit.close();
  }

  /** The reply of a call that began in `epoch` has begun; if it is on trial, it need not end to have gone well. */
  begun(epoch: number): void {
    if (this.#trial === null || epoch !== this.epoch) return;
    this.#sounds = true;
    this.#kit.wheel.arm(this, this.#settings.soundMs);
  }

  /** A shut gate need not wait for its next probe. `isBack`: for what is guarded could not be reached, and can again. */
  hint(isBack = false): void {
    if (isBack) this.#wasIll = true;
    if (this.state === 'shut' && !this.#probing && !this.#closed) this.#kit.wheel.arm(this, 0);
  }

  /** Somebody else knows how what is guarded is. */
  told(health: Health): void {
    if (this.state !== 'shut' || this.#closed || health === 'failing') return;
    this.#wasIll = true;
    this.#answered(health);
  }

  /** What is guarded is gone: leaves nothing behind. */
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
      this.#judgeTrial(
        this.#sounds ? 'success' : 'failure',
        `the call on trial had no verdict for ${this.#settings.trialMs} ms`,
      );
    else if (this.state === 'shut' && !this.#probing) void this.#probe();
  }

  #failed(verdict: 'failure' | 'busy', cause: Status | undefined): void {
    const now = this.#kit.clock.now();
    const enough = verdict === 'failure' ? this.record.fail(now) : this.record.busy(now);
    if (!enough || this.#mode === 'off' || now < this.#wouldUntil || !this.#guarded.mayShut()) return;
    const why = `${this.record.why()}, the last: ${cause?.message || 'without a reason'}`;
    if (this.#mode === 'shadow') {
      this.#wouldUntil = now + shadowMs;
      this.#guarded.would(why);
      return;
    }
    const relapsed = now - this.#openedAt < this.#settings.relapseMs;
    this.#relapses = relapsed ? this.#relapses + 1 : 0;
    if (!relapsed) this.#shutAt = now;
    this.#wasIll = false;
    this.#renew('shut');
    this.#shut(why);
  }

  #judgeTrial(verdict: Verdict, why: string): void {
    const trial = this.#trial;
    if (trial === null) return;
    this.#trial = null;
    this.#kit.wheel.disarm(this);
    if (verdict === 'success') trial.pass();
    else if (verdict === 'neutral') {
      // Half-open takes no neutral answer: the breaker is replaced by one whose trial is free.
      this.#renew('probing');
      trial.pass();
      this.epoch++;
    } else {
      // Not left to the rejected promise, which the breaker hears two microtasks later: a retry is faster, would
      // find the trial free, and nobody would ever hear how it went.
      this.#relapses++;
      this.#renew('shut');
      this.#shut(`the call on trial failed: ${why || 'without a reason'}`);
      trial.fail(why);
    }
  }

  async #probe(): Promise<void> {
    if (!this.#guarded.reachable) return this.#answered('failing');
    const { epoch } = this;
    const askedAt = this.#kit.clock.now();
    this.#probing = true;
    // A probe that throws is a bug below; the gate must not stay shut for ever because of it.
    const health = await this.#guarded.probe().catch(() => 'failing' as const);
    this.#probing = false;
    if (this.#closed) return;
    if (epoch === this.epoch) this.#answered(health, askedAt);
    // The gate has opened and shut again meanwhile; the probe that fell due since then has waited for this one.
    else if (this.state === 'shut' && this.slot < 0) void this.#probe();
  }

  #answered(health: Health, askedAt?: number): void {
    if (health === 'failing') {
      this.#wasIll = true;
      return this.#armProbe(askedAt);
    }
    if (health === 'serving' && this.#wasIll && this.#relapses === 0) {
      this.#circuit?.close();
      return;
    }
    this.#kit.wheel.disarm(this);
    this.#renew('probing');
    this.epoch++;
    this.#changed('probing', 'one call is on trial');
  }

  /** Puts a breaker in place that is born open or half-open, and takes the old one's timers and listeners away. */
  #renew(state: 'shut' | 'probing'): void {
    this.#circuit?.shutdown();
    const born = circuit(state === 'probing');
    born.on('close', () => this.#open('it answers again'));
    if (state === 'shut') born.open();
    this.#circuit = born;
  }

  #shut(why: string): void {
    this.epoch++;
    this.#armProbe();
    this.#changed('shut', why);
  }

  #open(why: string): void {
    this.#circuit?.shutdown();
    this.#circuit = null;
    this.#trial?.pass(); // taken away from below: a promise must not stay pending
    this.#trial = null;
    this.record.clear();
    this.#kit.wheel.disarm(this);
    this.#openedAt = this.#kit.clock.now();
    this.epoch++;
    this.#changed('open', why);
  }

  #changed(state: GateState, why: string): void {
    this.why = why;
    this.since = this.#kit.clock.wall();
    this.#guarded.changed(state, why);
  }

  /** From the last question on: one that waited for its answer in vain must not delay the next. */
  #armProbe(askedAt: number = this.#kit.clock.now()): void {
    const { probe, jitter } = this.#settings;
    const intervalMs = probeIntervalMs(probe, askedAt - this.#shutAt, this.#relapses);
    this.#kit.wheel.armAt(this, askedAt + jittered(intervalMs, jitter, this.#kit.random()));
  }
}
