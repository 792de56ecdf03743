import type { Call } from './core/call.ts';
import type { EndpointView } from './core/endpoint.ts';
import type { ServiceView } from './core/snapshot.ts';
import type { Stack } from './core/stack.ts';
import { Pool } from './endpoints/pool.ts';
import { deadlinesOf, type Ground, keepaliveOf, speakerOf } from './ground.ts';
import { endpointLimits, wireLimits } from './limits.ts';
import { randomHex } from './policies/random-hex.ts';
import type { Place } from './settings/address.ts';
import { inbound, refusing } from './stack.ts';
import { dialler } from './transports/dial.ts';
import { type Listener, listen } from './transports/listener.ts';

/** The way of calls from peers to our app. */
export interface WayIn {
  readonly pool: Pool;
  readonly stack: Stack<Call, Call>;
  readonly listener: Listener;
}

/** The longest wait before the app is dialled again, in milliseconds: it is beside us, and a dial costs nothing. */
const appBackoffMs = 1000;

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
  pool.follow({ ...origins.assembly.snapshot.value, services: new Map([[app.name, view]]) });
  const endpoint: EndpointView = pool.endpoints(view)[0]!;
  const stack = inbound(kit, {
    deadline: deadlinesOf(ground),
    authorize: { service: app.name, anonymous: origins.identities === null },
  });
  const service = stack.to((call) => endpoint.send({ call, endpoint, previous: 0 }));
  const listener = await listen({
    kit,
    loop,
    limits: wireLimits(limits, limits['streams-peers']),
    at,
    name: 'peers',
    speaker: speakerOf(ground),
    upstream: '',
    snapshots: origins.assembly.snapshot,
    service,
    refusing: refusing(kit, 'inbound'),
    identities: origins.identities,
    recordings: null,
    keepalive: keepaliveOf(ground),
    maxAgeMs: limits['connection-age'],
    drainMs: drain.calls,
  });
  return { pool, stack, listener };
};

const appPool = ({ settings, kit, loop }: Ground): Pool => {
  const { limits, drain } = settings;
  const dial = dialler({
    kit,
    loop,
    limits: wireLimits(limits, limits['streams-app']),
    identities: null,
    direction: { scheme: 'http', authority: 'caller', token: tokens() },
    connectMs: limits.connect,
    maxAgeMs: 0,
    drainMs: drain.calls,
    keepalive: null,
  });
  const endpoint = endpointLimits(limits);
  const dialBackoff = { ...endpoint.dialBackoff, longestMs: appBackoffMs };
  return new Pool(kit, dial, async () => 'unknown', { ...endpoint, dialBackoff });
};

/** Tokens of inbound calls: unique in this process, and not to be met in another by chance. */
const tokens = (): (() => string) => {
  const process = randomHex()(4);
  let call = 0;
  return () => `${process}-${(++call).toString(36)}`;
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
