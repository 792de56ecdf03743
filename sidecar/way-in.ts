import net from 'node:net';
import { followAppLoad } from './app-load.ts';
import type { AuthorizationReport } from './control/view.ts';
import type { Call } from './core/call.ts';
import type { Cell } from './core/cell.ts';
import type { Contract } from './core/contract.ts';
import { Ledger } from './core/ledger.ts';
import { unruled } from './core/policy.ts';
import { Refusals } from './core/refusals.ts';
import type { Access, ServiceView, Snapshot } from './core/snapshot.ts';
import type { Stack } from './core/stack.ts';
import { Pool } from './endpoints/pool.ts';
import { healthProbe } from './endpoints/probe.ts';
import { builtInPolicy, deadlinesOf, type Ground, keepaliveOf, leastTlsOf, speakerOf } from './ground.ts';
import { endpointLimits, wireLimits } from './limits.ts';
import { ownContract } from './own-contract.ts';
import { callTokens } from './policies/call-tokens.ts';
import { unclearIn } from './policies/permissions.ts';
import type { Place } from './settings/address.ts';
import { inbound, refusing } from './stack.ts';
import { tellOnce } from './tell-once.ts';
import { dialler } from './transports/dial.ts';
import { type Listener, listen } from './transports/listener.ts';

/** The way of calls from peers to our app. */
export interface WayIn {
  readonly pool: Pool;
  readonly stack: Stack<Call, Call>;
  readonly listener: Listener;
  /** What intentions have done so far. */
  readonly authorization: () => AuthorizationReport;
  /** Whether our app serves: SERVING by grpc.health.v1, or with `service.check: tcp` that it takes connections. */
  readonly serving: () => Promise<boolean>;
  /** What is known of our app's methods. */
  readonly contract: Cell<Contract | null>;
}

/**
 * The longest wait before the app is dialled again, in milliseconds: it is beside us, and a dial costs nothing. Whoever
 * calls us asks each second whether the app is back, and should have an answer within two.
 */
const appBackoffMs = 500;
/** How long an app may take to accept a connection when it is only asked whether it is there, in milliseconds. */
const knockMs = 1000;

/** Opens the peers port, with the inbound stack behind it and the app behind that. */
export const openWayIn = async (
  ground: Ground,
  at: Place,
  app: { readonly name: string; readonly place: Place },
): Promise<WayIn> => {
  const { settings, origins, kit, loop } = ground;
  const { limits, drain } = settings;
  const pool = appPool(ground);
  const view = appView(app.name, app.place);
  // Policies are about calls that leave: our own app is reached as the limits say.
  const policies = unruled(builtInPolicy(settings));
  pool.follow({ ...origins.assembly.snapshot.value, services: new Map([[app.name, view]]), policies });
  const endpoint = pool.endpointAt(view.endpoints[0]!)!;
  const own = ownContract({
    settings,
    kit,
    signal: ground.signal,
    endpoint,
    answers: () => answers(app.place),
  });
  const refusals = new Refusals();
  let opened: Listener | null = null;
  tellOnce(ground, unclearOnes());
  const stack = inbound(kit, {
    tracing: ground.tracing,
    observe: settings.log,
    progress: ground.progress,
    deadline: deadlinesOf(ground),
    faults: settings.faults,
    describe: { contract: own.contract },
    believe: settings.flagging,
    trees: ground.trees,
    authorize: {
      service: app.name,
      anonymous: origins.identities === null,
      audit: settings.auditsIntentions,
      refusals,
      ...(!ground.sabotage.has('review') && {
        inProgress: { snapshots: origins.assembly.snapshot, calls: () => opened?.calls() ?? [] },
      }),
    },
  });
  const service = stack.to((call) =>
    endpoint.send({ call, endpoint, begunAt: call.arrival.arrivedAt, previous: 0 }),
  );
  const listener = await listen({
    kit,
    loop,
    limits: wireLimits(limits, limits['streams-peers']),
    at,
    name: 'peers',
    speaker: speakerOf(ground),
    isApp: false,
    upstream: '',
    snapshots: origins.assembly.snapshot,
    service,
    refusing: refusing(kit, 'inbound', settings.log, ground.tracing),
    identities: origins.identities,
    ...leastTlsOf(ground),
    ledger: new Ledger(ground.accounts, 'inbound'),
    recordings: null,
    keepalive: keepaliveOf(ground),
    maxAgeMs: limits['connection-age'],
    drainMs: drain.calls,
  });
  opened = listener;
  // Only now: whoever cannot listen must leave no connection to the app behind.
  own.begin();
  void followAppLoad(kit, endpoint, ground.signal);
  const probe = healthProbe(kit);
  const serving = async (): Promise<boolean> => {
    // Knocking costs nothing, and keeps the pool from backing off from an app that has not begun to listen.
    if (!(await answers(app.place))) return false;
    const serves = settings.service?.check !== 'grpc' || (await probe(endpoint)) === 'serving';
    // Whoever registers the app asks: what its methods are is then registered with it.
    if (serves) await own.asked();
    return serves;
  };
  const authorization = (): AuthorizationReport => ({
    mode: settings.auditsIntentions ? 'audit' : 'enforce',
    unclear: unclearIn(origins.assembly.snapshot.value.access.intentions),
    refused: refusals.list(),
  });
  return { pool, stack, listener, authorization, serving, contract: own.contract };
};

const answers = (place: Place): Promise<boolean> =>
  new Promise((settle) => {
    const socket = net.connect(place);
    const over = (is: boolean): void => {
      socket.destroy();
      settle(is);
    };
    socket.setTimeout(knockMs, () => over(false));
    socket.once('connect', () => over(true));
    socket.once('error', () => over(false));
  });

/** Permissions that cannot be kept; looked for when access changes, not with every snapshot. */
const unclearOnes = (): ((snapshot: Snapshot) => readonly string[]) => {
  let access: Access | null = null;
  let unclear: readonly string[] = [];
  return (snapshot) => {
    if (snapshot.access === access) return unclear;
    access = snapshot.access;
    unclear = unclearIn(access.intentions).map((why) => `${why}; it refuses what comes to it`);
    return unclear;
  };
};

const appPool = ({ settings, kit, loop }: Ground): Pool => {
  const { limits, drain } = settings;
  const dial = dialler({
    kit,
    loop,
    limits: wireLimits(limits, limits['streams-app']),
    identities: null,
    direction: { scheme: 'http', authority: 'caller', token: callTokens() },
    connectMs: limits.connect,
    maxAgeMs: 0,
    drainMs: drain.calls,
    keepalive: null,
  });
  const endpoint = endpointLimits(limits);
  const dialBackoff = { ...endpoint.dialBackoff, longestMs: appBackoffMs };
  return new Pool(kit, dial, async () => 'unknown', { ...endpoint, dialBackoff });
};

/** Our own app as the one instance of a service that is not in the mesh. */
const appView = (name: string, place: Place): ServiceView => ({
  name,
  origin: 'settings',
  endpoints: [
    'path' in place
      ? { id: `unix:${place.path}`, host: place.path, port: 0, service: name }
      : { id: `${place.host}:${place.port}`, host: place.host, port: place.port, service: name },
  ],
});
