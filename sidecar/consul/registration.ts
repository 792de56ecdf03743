import { isDeepStrictEqual } from 'node:util';
import { Cell } from '../core/cell.ts';
import type { Kit } from '../core/kit.ts';
import { backoffMs } from './backoff.ts';
import { type AppState, serviceDefinitions } from './definitions.ts';
import type { ConsulDoor, ServiceDefinition } from './door.ts';
import { ConsulError, reasonOf } from './errors.ts';
import { pause } from './pause.ts';

/** How others learn whether the app is well. */
export type AppCheck = 'grpc' | 'tcp' | 'none';

/** What stands in Consul for us: the service beside us, and its proxy, which is this sidecar. */
export interface RegistrationOptions {
  readonly door: ConsulDoor;
  readonly kit: Kit;
  readonly signal: AbortSignal;
  readonly service: {
    readonly name: string;
    /** Where the app answers, as this host sees it; null for a unix socket. */
    readonly address: { readonly host: string; readonly port: number } | null;
    /** `grpc` asks grpc.health.v1, `tcp` connects. A unix socket has `none`: the agent cannot reach it. */
    readonly check: AppCheck;
    /** Set when somebody else registers the service: its id. Only the proxy is then registered. */
    readonly registeredAs?: string | undefined;
    /**
     * Asks the app itself whether it serves. Given, the service is critical until it does, and passing at that moment
     * rather than at the agent's next check; of an app that the agent cannot reach, ours is the only check.
     */
    readonly serving?: ((signal: AbortSignal) => Promise<boolean>) | undefined;
    /** Said of the service and of its proxy alike: the filter of a subset looks at the proxy. */
    readonly meta?: Readonly<Record<string, string>> | undefined;
    readonly tags?: readonly string[] | undefined;
  };
  readonly proxy: {
    /** The peers port. */
    readonly port: number;
    /** Where others find it; null: on the agent's own address. */
    readonly advertise: string | null;
    readonly meta?: Readonly<Record<string, string>> | undefined;
  };
  /** Milliseconds after which a sidecar that says nothing counts as dead. Default 10 s. */
  readonly ttlMs?: number | undefined;
  /** Milliseconds between the agent's checks of the app. Default 1 s. */
  readonly checkEveryMs?: number | undefined;
}

/** A registration that keeps itself alive. */
export interface Registration {
  readonly serviceId: string;
  readonly proxyId: string;
  /** True while the agent holds both and the last beat went well. */
  readonly registered: Cell<boolean>;
  /** Says this of the proxy from now on, in place of `proxy.meta`: it is registered once more when that is another. */
  describe(meta: Readonly<Record<string, string>>): void;
  /** What the TTL checks say from now on; passing from the start. */
  passing(on: boolean, note?: string): void;
  /**
   * Takes the proxy out of every list while it still serves: the first step of a shutdown. Says whether the agent has
   * heard; never rejects.
   */
  maintenance(reason: string): Promise<boolean>;
  /** Ends the beats and takes out what we put in: proxy first, then the service. Never rejects. */
  deregister(): Promise<void>;
}

/**
 * Whether an answer may mean that the agent does not know a check or a service: 404, and 500 from Consul before 1.11.
 * One that is too busy (429), or that believes the token no more (403), knows us as well as ever: to register
 * again would make our checks critical, and peers would see us leave.
 */
const isForgotten = (thrown: unknown): boolean =>
  thrown instanceof ConsulError && (thrown.status === 404 || thrown.status === 500);

const defaultTtlMs = 10_000;
/** Longest pause between tries, milliseconds, so that an agent that came back empty knows us again within 5 s. */
const longestBackoffMs = 1000;
/** Milliseconds between questions to an app that does not serve yet. */
const startingMs = 200;
/** A shutdown waits at most this long for each word with the agent, milliseconds. */
const farewellMs = 2000;

/**
 * Registers the service and its proxy, and beats their TTL checks at a third of the TTL on a connection of their
 * own. When the agent does not know us any more (restarted empty, reaped), both are registered again.
 */
export const register = (options: RegistrationOptions): Registration => {
  const { door, kit } = options;
  const { serving } = options.service;
  const isOurs = options.service.registeredAs === undefined;
  const ttlMs = options.ttlMs ?? defaultTtlMs;
  const checkEveryMs = options.checkEveryMs ?? 1000;
  const { serviceId, proxyId, definitions, ttlChecks, hasAppCheck } = serviceDefinitions({
    ...options,
    ttlMs,
    checkEveryMs,
  });
  const registered = new Cell(false);
  const gauge = kit.meter.count('outrigger_registered');
  const stop = new AbortController();
  const { signal } = stop;
  let wake = new AbortController();
  const halt = (): void => {
    stop.abort();
    wake.abort();
  };
  options.signal.addEventListener('abort', halt, { once: true });
  if (options.signal.aborted) halt();
  let passing = true;
  let note = '';
  let maintenance = '';
  let meta = options.proxy.meta ?? {};
  let toldMeta = meta;

  let app: AppState = 'unasked';
  let enrolled = false;
  const asked = async (): Promise<AppState> =>
    serving === undefined ? 'unasked' : (await serving(signal)) ? 'serving' : 'starting';
  const enroll = async (): Promise<void> => {
    const state = await asked();
    const said = meta;
    const whole = definitions(state, said);
    const missing: ServiceDefinition[] = [];
    // Registering what is there would make its checks critical for a moment, and peers would see us leave.
    if (enrolled)
      for (const definition of whole)
        if ((await door.own(String(definition['ID']), signal)) === null) missing.push(definition);
    const wanting = missing.length > 0 ? missing : whole;
    for (const definition of wanting) await door.register(definition, signal);
    // One that stands already has the check that it was given.
    if (wanting.includes(whole[0]!)) app = state;
    if (wanting.includes(whole.at(-1)!)) toldMeta = said;
    enrolled = true;
    // An earlier run of this id may have been killed on its way out, in maintenance.
    await door.maintenance(proxyId, maintenance !== '', maintenance, signal);
  };
  /** Checks that stand keep what they last said. A sidecar that leaves has nothing more to say of itself. */
  const tell = async (): Promise<void> => {
    if (isDeepStrictEqual(toldMeta, meta) || maintenance !== '') return;
    const said = meta;
    await door.register(definitions(app, said).at(-1)!, signal);
    toldMeta = said;
  };
  const beat = async (): Promise<void> => {
    const well = passing && (hasAppCheck || app !== 'starting');
    const why = passing && !well ? 'the app does not say that it serves' : note;
    for (const check of ttlChecks) await door.beat(check, well, why, signal);
    if (hasAppCheck && (await door.own(serviceId, signal)) === null)
      throw new ConsulError('status', `Consul at ${door.url} does not know '${serviceId}' any more`, 404);
  };
  /** Asks an app that has not served yet, and goes on asking one that the agent cannot reach. */
  const attend = async (): Promise<void> => {
    const state = await asked();
    if (state === app || signal.aborted) return;
    if (hasAppCheck) await door.register(definitions(state, meta)[0]!, signal);
    app = state;
    if (!hasAppCheck) await beat();
  };
  /** Until the next beat. */
  const rest = async (): Promise<void> => {
    const end = kit.clock.now() + ttlMs / 3;
    for (;;) {
      const left = end - kit.clock.now();
      const asks = app === 'starting' || (app === 'serving' && !hasAppCheck);
      const every = app === 'starting' ? startingMs : checkEveryMs;
      await pause(kit, Math.max(0, asks ? Math.min(every, left) : left), wake.signal);
      if (wake.signal.aborted || kit.clock.now() >= end) return;
      await attend();
    }
  };
  const say = (now: boolean): void => {
    gauge.value = now ? 1 : 0;
    if (registered.value !== now) registered.set(now);
  };

  const run = async (): Promise<void> => {
    let known = false;
    let failures = 0;
    let said = '';
    while (!signal.aborted) {
      // Only here, so that a word said during a beat is not slept over.
      if (wake.signal.aborted) wake = new AbortController();
      try {
        if (!known) await enroll();
        known = true;
        await tell();
        await beat();
        if (!registered.value) kit.log.info({ service: serviceId, proxy: proxyId }, 'registered in Consul');
        say(true);
        failures = 0;
        said = '';
        await rest();
      } catch (thrown) {
        if (signal.aborted) break;
        // The agent is there and does not know us: try again at once, once.
        const forgotten: boolean = known && isForgotten(thrown);
        known = known && !forgotten;
        say(false);
        failures++;
        const cause = reasonOf(thrown);
        if (said !== cause)
          kit.log.warn({ service: serviceId, cause }, 'not registered in Consul; trying again');
        said = cause;
        if (!forgotten || failures > 1)
          await pause(kit, backoffMs(failures, longestBackoffMs, kit.random), signal);
      }
    }
    say(false);
  };
  const running = run();

  const farewell = async (what: string, word: (signal: AbortSignal) => Promise<void>): Promise<boolean> => {
    const limit = new AbortController();
    const over = pause(kit, farewellMs, limit.signal).then(() => limit.abort());
    const heard = await word(limit.signal).then(
      () => true,
      (thrown) => {
        const why = { proxy: proxyId, cause: reasonOf(thrown) };
        kit.log.warn(why, `${what} failed; Consul's own checks take over`);
        return false;
      },
    );
    limit.abort();
    await over;
    return heard;
  };

  return {
    serviceId,
    proxyId,
    registered,
    describe: (more) => {
      if (isDeepStrictEqual(meta, more)) return;
      meta = more;
      wake.abort();
    },
    passing: (on, why = '') => {
      passing = on;
      note = why;
      wake.abort();
    },
    maintenance: (reason) => {
      maintenance = reason;
      return farewell('maintenance', (limit) => door.maintenance(proxyId, true, reason, limit));
    },
    deregister: async () => {
      halt();
      options.signal.removeEventListener('abort', halt);
      await running;
      await farewell('deregistration of the proxy', (limit) => door.deregister(proxyId, limit));
      if (isOurs)
        await farewell('deregistration of the service', (limit) => door.deregister(serviceId, limit));
    },
  };
};
