import { removeStale } from './control/socket.ts';
import type { Attempt, Call } from './core/call.ts';
import { Ledger } from './core/ledger.ts';
import type { Count } from './core/meter.ts';
import type { Stack } from './core/stack.ts';
import { askContract } from './endpoints/contract-question.ts';
import { gaugeGates } from './endpoints/gate-gauges.ts';
import { Pool } from './endpoints/pool.ts';
import { healthProbe } from './endpoints/probe.ts';
import { asker } from './endpoints/question.ts';
import type { FlagsSettings } from './filters/flags.ts';
import { deadlinesOf, type Ground, keepaliveOf, leastTlsOf, speakerOf } from './ground.ts';
import { endpointLimits, wireLimits } from './limits.ts';
import type { Place } from './settings/address.ts';
import { outbound, refusing } from './stack.ts';
import { tellOnce } from './tell-once.ts';
import { dialler } from './transports/dial.ts';
import { type Listener, listen } from './transports/listener.ts';
import { RecordingBudget } from './transports/recording.ts';

/** The way of calls from our app to their peers. */
export interface WayOut {
  readonly pool: Pool;
  readonly stack: Stack<Call, Attempt>;
  /** The app's listener first, then one for each upstream. */
  readonly listeners: readonly Listener[];
}

/** Opens the app's ports, with the outbound stack behind them. */
export const openWayOut = async (ground: Ground): Promise<WayOut> => {
  const { settings, origins, kit } = ground;
  const { snapshot, discovery } = origins.assembly;
  const pool = peersPool(ground);
  gaugeGates(kit.meter, pool);
  pool.follow(snapshot.value);
  snapshot.listen((newer) => pool.follow(newer));
  tellPanics(ground, pool);
  tellOnce(ground, ({ policies }) => policies.conflicts);
  origins.assembly.heed((service) => pool.isBusy(service));
  const ask = asker(kit);
  origins.contracts?.begin(snapshot, (address) => {
    const endpoint = pool.endpointAt(address);
    return endpoint === undefined
      ? Promise.reject(new Error('it has left meanwhile'))
      : askContract(ask, endpoint);
  });
  const once = { mostAttempts: 1 };
  const stack = outbound(
    kit,
    {
      snapshots: snapshot,
      discovery,
      endpoints: pool.endpoints,
      breakers: pool.breakers,
      near: pool.near,
      accounts: ground.accounts,
      progress: ground.progress,
      trees: ground.trees,
      tracing: ground.tracing,
    },
    {
      observe: settings.log,
      hops: { most: settings.limits.hops },
      deadline: deadlinesOf(ground),
      faults: settings.faults,
      flags: flagsOf(ground),
      ...(ground.sabotage.has('retry') && { retry: once, hedge: once }),
    },
  );
  const service = stack.to((attempt) => attempt.endpoint.send(attempt));
  const { limits, drain } = settings;
  const common = {
    kit,
    loop: ground.loop,
    limits: wireLimits(limits, limits['streams-app']),
    name: 'app',
    speaker: speakerOf(ground),
    isApp: true,
    snapshots: snapshot,
    service,
    refusing: refusing(kit, 'outbound', settings.log, ground.tracing),
    identities: null,
    ledger: new Ledger(ground.accounts, 'outbound'),
    recordings: {
      budget: new RecordingBudget(limits['recording-process'], ground.loop.blocks),
      limitBytes: limits['recording-call'],
    },
    keepalive: null,
    maxAgeMs: 0,
    drainMs: drain.calls,
  } as const;
  const listeners: Listener[] = [];
  const open = async (at: Place, upstream: string, setting: string): Promise<void> => {
    if ('path' in at) await removeStale(at.path, 'the socket', setting);
    listeners.push(await listen({ ...common, at, upstream }));
  };
  try {
    await open(settings.listen.app, '', 'listen.app');
    for (const [upstream, at] of Object.entries(settings.upstreams))
      await open(at, upstream, `upstreams.${upstream}`);
  } catch (thrown) {
    await Promise.all(listeners.map((listener) => listener.close()));
    pool.close('a port could not be opened');
    throw thrown;
  }
  return { pool, stack, listeners };
};

/** What our app may say of flags. */
const flagsOf = ({ settings: { service, flagging } }: Ground): FlagsSettings => {
  const name = service?.name ?? '';
  const { targetingKey, deciders, testers } = flagging;
  return {
    service: name,
    decides: deciders?.includes(name) ?? false,
    tests: testers.includes(name),
    targetingKey,
  };
};

/** Shows which services are in panic, whether or not they are called. */
const tellPanics = ({ kit: { meter } }: Ground, pool: Pool): void => {
  const shown = new Map<string, Count>();
  meter.collect(() => {
    const panics = pool.panics();
    for (const service of panics) shown.set(service, meter.count('outrigger_panic', service));
    for (const [service, gauge] of shown) gauge.value = panics.has(service) ? 1 : 0;
  });
};

const peersPool = (ground: Ground): Pool => {
  const { settings, kit, origins, loop } = ground;
  const { limits } = settings;
  const dial = dialler({
    kit,
    loop,
    limits: wireLimits(limits, limits['streams-peers']),
    identities: origins.identities,
    ...leastTlsOf(ground),
    direction: { scheme: origins.identities === null ? 'http' : 'https', authority: 'service', token: null },
    connectMs: limits.connect,
    maxAgeMs: limits['connection-age'],
    drainMs: settings.drain.calls,
    keepalive: keepaliveOf(ground),
  });
  return new Pool(kit, dial, healthProbe(kit), endpointLimits(limits));
};
