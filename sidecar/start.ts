import { Loop } from '../wire/index.ts';
import { pause } from './consul/pause.ts';
import type { SidecarView } from './control/view.ts';
import { FlagTrees } from './core/flag-trees.ts';
import type { Kit } from './core/kit.ts';
import { type Log, type LogLevel, silent } from './core/log.ts';
import { Progress } from './core/progress.ts';
import { Timer } from './core/wheel.ts';
import { endpointReports } from './endpoint-reports.ts';
import { Enrolment } from './enrolment.ts';
import { accountsOf, type Ground } from './ground.ts';
import { type Origins, openOrigins, type SettingsFile } from './origins.ts';
import { certificateReasons, isCold, lacking, missing } from './readiness.ts';
import { realKit } from './real-kit.ts';
import type { Sabotage } from './sabotage.ts';
import type { Settings } from './settings/settings.ts';
import { watchProcess } from './telemetry/process.ts';
import { contentType, writeMetrics } from './telemetry/prometheus.ts';
import { type OpenTracing, openTracing } from './traces.ts';
import { openWayIn, type WayIn } from './way-in.ts';
import { openWayOut, type WayOut } from './way-out.ts';
import { openWayToAsk, type WayToAsk } from './way-to-ask.ts';
import { openWayWithin, type WayWithin } from './way-within.ts';
import { findZone } from './zone.ts';

/** What a sidecar is started with, beside its settings. */
export interface StartOptions {
  readonly log?: Log;
  /** ACL token for Consul, where the settings name no file with one. Never shown. */
  readonly consulToken?: string | undefined;
  /** Absent when the settings came from elsewhere than a file. */
  readonly file?: SettingsFile;
  /** Defences to take away; for the demo and the chaos runs. */
  readonly sabotage?: ReadonlySet<Sabotage>;
}

/** A sidecar that runs in this process. */
export interface Sidecar extends SidecarView {
  /**
   * Resolves once calls can be carried: the certificate is there, and the registration if there is one to make.
   * Rejects when the sidecar is drained or closed before. Need not be awaited.
   */
  readonly ready: Promise<void>;
  /** Opens a way to services that an app in this very process hosts, with our snapshots, metrics and log. It is the caller's to close. */
  openWithin(): WayWithin;
  /** Resolves when the app has closed its connections to us: until then it may still call its peers. */
  appGone(): Promise<void>;
  /** Ends everything now; `drain` first is kinder. Safe to call again. */
  close(): Promise<void>;
}

/** Starts a sidecar; rejects when a listener cannot be opened or certificate files cannot be used. */
export const startSidecar = async (settings: Settings, options: StartOptions = {}): Promise<Sidecar> => {
  const kit = realKit(options.log ?? silent);
  const stop = new AbortController();
  const sabotage = options.sabotage ?? new Set();
  if (sabotage.size > 0) kit.log.warn({ sabotage: [...sabotage] }, 'defences are taken away on purpose');
  const loop = new Loop({ now: () => kit.clock.now(), heldLimit: settings.limits.held });
  const { file, consulToken } = options;
  const around = { kit, signal: stop.signal, file, sabotage, consulToken };
  const origins = await openOrigins(settings, around).catch((thrown) => {
    // Whoever starts a sidecar in a process of theirs lives on: nothing may go on asking Consul in its name.
    stop.abort();
    kit.wheel.close();
    throw thrown;
  });
  const accounts = accountsOf(settings);
  const traces = openTracing(settings, kit, process.env);
  const sidecar = new RunningSidecar(
    {
      settings,
      kit,
      loop,
      origins,
      sabotage,
      accounts,
      progress: new Progress(),
      trees: new FlagTrees(kit.clock),
      tracing: traces?.tracing ?? null,
      signal: stop.signal,
    },
    stop,
    traces,
  );
  try {
    await sidecar.open();
  } catch (thrown) {
    await sidecar.close();
    throw thrown;
  }
  return sidecar;
};

/** How often readiness is looked at while it is awaited, in milliseconds. */
const readyEveryMs = 20;

class RunningSidecar extends Timer implements Sidecar {
  readonly service: string;
  readonly ports: { app: string; peers: string | null; admin: string; health?: string } = {
    app: '',
    peers: null,
    admin: '',
  };
  readonly ready: Promise<void>;
  readonly #ground: Ground;
  readonly #settings: Settings;
  readonly #kit: Kit;
  readonly #origins: Origins;
  readonly #stop: AbortController;
  readonly #traces: OpenTracing | null;
  readonly #unwatch: () => void;
  #out: WayOut | null = null;
  #in: WayIn | null = null;
  #asked: WayToAsk | null = null;
  readonly #enrolment: Enrolment;
  #wasReady = false;
  #draining: Promise<void> | null = null;
  /** Cuts short what a drain waits for. */
  readonly #hurry: AbortController = new AbortController();
  #closing: Promise<void> | null = null;
  #becomeReady!: () => void;
  #neverReady!: (why: Error) => void;

  constructor(ground: Ground, stop: AbortController, traces: OpenTracing | null) {
    super();
    this.#traces = traces;
    this.#ground = ground;
    this.#settings = ground.settings;
    this.#kit = ground.kit;
    this.#origins = ground.origins;
    this.#stop = stop;
    this.#enrolment = new Enrolment(ground, stop.signal);
    this.service = ground.settings.service?.name ?? '';
    this.#unwatch = watchProcess(ground.kit.meter);
    this.ready = new Promise((resolve, reject) => {
      this.#becomeReady = resolve;
      this.#neverReady = reject;
    });
    // Who does not await it must not be ended by it.
    this.ready.catch(() => {});
  }

  /** Opens everything, in the order in which it is needed. */
  async open(): Promise<void> {
    const { listen, service } = this.#settings;
    this.#out = await openWayOut(this.#ground);
    this.ports.app = this.#out.listeners[0]!.address;
    findZone(this.#ground, this.#out.pool, this.#stop.signal);
    if (listen.peers !== null && service !== null && service.app !== null) {
      const app = { name: service.name, place: service.app };
      this.#in = await openWayIn(this.#ground, listen.peers, app);
      this.ports.peers = this.#in.listener.address;
    }
    this.#asked = await openWayToAsk(this.#settings, this.#kit, this);
    this.ports.admin = this.#asked.admin;
    if (this.#asked.health !== null) this.ports.health = this.#asked.health;
    this.expire();
  }

  notReady(): readonly string[] {
    if (this.#draining !== null) return ['the sidecar is stopping'];
    const reasons = missing(this.#origins, this.#in !== null);
    reasons.push(...certificateReasons(this.#origins, this.#kit).broken);
    // Peers know us from before, and Consul can say nothing to the contrary.
    if (isCold(this.#origins)) return reasons;
    // Also while it has not begun: peers cannot find what nobody has registered.
    if (this.#enrolment.isDue && !this.#enrolment.stands)
      reasons.push('the service is not registered in Consul yet');
    if (!this.#wasReady) reasons.push(...lacking(this.#origins));
    return reasons;
  }

  warnings(): readonly string[] {
    const { warnings } = certificateReasons(this.#origins, this.#kit);
    if (!isCold(this.#origins)) return warnings;
    return [...warnings, 'Consul has not answered since the start: what was kept in state-dir stands in'];
  }

  snapshot(): ReturnType<SidecarView['snapshot']> {
    return this.#origins.assembly.snapshot.value;
  }

  identity(): ReturnType<SidecarView['identity']> {
    const identity = this.#origins.identity.identity.value;
    if (identity === null) return null;
    const { spiffe, validFrom, validTo } = identity;
    return { spiffe, validFrom, validTo };
  }

  endpoints(): ReturnType<SidecarView['endpoints']> {
    return endpointReports(this.#out!.pool, this.#kit.clock.now());
  }

  services(): ReturnType<SidecarView['services']> {
    return this.#out!.pool.services().map(({ service, judgement }) => ({ service, ...judgement }));
  }

  authorization(): ReturnType<SidecarView['authorization']> {
    return this.#in?.authorization() ?? null;
  }

  stacks(): ReturnType<SidecarView['stacks']> {
    return { outbound: this.#out!.stack.names, inbound: this.#in?.stack.names ?? [] };
  }

  metrics(): ReturnType<SidecarView['metrics']> {
    return { contentType, text: writeMetrics(this.#kit.meter.read()) };
  }

  logLevel(): ReturnType<SidecarView['logLevel']> {
    return this.#kit.log.level ?? null;
  }

  setLogLevel(level: LogLevel): void {
    this.#kit.log.level = level;
  }

  drain(): Promise<void> {
    if (this.#draining === null) {
      this.#giveUpReady();
      this.#draining = this.#drain();
    }
    return this.#draining;
  }

  openWithin(): WayWithin {
    const { snapshot, discovery } = this.#origins.assembly;
    return openWayWithin({ ...this.#ground, snapshots: snapshot, discovery });
  }

  async appGone(): Promise<void> {
    await Promise.all((this.#out?.listeners ?? []).map((listener) => listener.emptied()));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Looks whether the sidecar is ready by now. */
  expire(): void {
    if (this.#closing !== null || this.#draining !== null) return;
    // Peers call as soon as we are registered: before we know who we are and who may call, we would refuse them.
    if (missing(this.#origins, this.#in !== null).length === 0) this.#enrolment.begin(this.#in);
    if (this.notReady().length > 0) {
      this.#kit.wheel.arm(this, readyEveryMs);
      return;
    }
    this.#wasReady = true;
    this.#kit.log.info({ ...this.ports }, 'ready');
    this.#becomeReady();
  }

  /** Stops looking. Does nothing once the sidecar was ready. */
  #giveUpReady(): void {
    this.#kit.wheel.disarm(this);
    const reasons = this.notReady().join('; ') || 'it was about to be';
    this.#neverReady(new Error(`the sidecar was stopped before it was ready: ${reasons}`));
  }

  /** Peers look elsewhere first, then no new calls are taken, then those in flight finish. Calls out go on. */
  async #drain(): Promise<void> {
    if (this.#ground.sabotage.has('drain')) return;
    this.#kit.log.info({}, 'draining');
    const heard = await this.#enrolment.hide('the sidecar is stopping');
    // Who still has us in its list is served until the news has reached it.
    if (heard) await pause(this.#kit, this.#settings.drain.notice, this.#hurry.signal);
    await this.#in?.listener.drain();
    await this.#enrolment.end();
  }

  async #close(): Promise<void> {
    this.#giveUpReady();
    this.#hurry.abort();
    this.#draining ??= Promise.resolve();
    const reason = 'the sidecar stops';
    await Promise.all([
      ...(this.#out?.listeners ?? []).map((listener) => listener.close()),
      this.#in?.listener.close(),
      this.#asked?.close(),
      this.#enrolment.end(),
      // One that is under way ends soon: nothing is left to wait for, and its words with Consul have a limit.
      this.#draining,
    ]);
    this.#out?.pool.close(reason);
    this.#in?.pool.close(reason);
    // Behind the calls, whose spans have ended by now.
    await this.#traces?.close();
    this.#stop.abort();
    this.#origins.assembly.close();
    this.#origins.identity.close();
    await this.#origins.state.close();
    this.#origins.door?.close();
    this.#unwatch();
    this.#kit.wheel.close();
  }
}
