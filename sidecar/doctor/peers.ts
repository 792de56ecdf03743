import { once } from 'node:events';
import { writePlace } from '../settings/address.ts';
import { below, items, numberOf, textOf } from './answers.ts';
import { type Check, type Finding, fault } from './finding.ts';
import { connect, type Held, hold, patienceMs, whyClosed } from './sockets.ts';
import type { World } from './world.ts';

/** Instances of one upstream that are dialled: enough to see a firewall. */
const mostDialled = 3;

/** The ways between sidecars: others reach ours, and we reach theirs. */
export const peersChecks: readonly Check[] = [
  { name: 'advertise', look: advertised },
  { name: 'registered', look: registered },
  {
    name: 'peers',
    look: async (world) =>
      (await Promise.all(Object.keys(world.settings.upstreams).map((name) => theirs(world, name)))).flat(),
  },
];

/** Dials our own peers port where others are told to. Where no sidecar runs yet, the port is held for a moment. */
async function advertised(world: World): Promise<Finding[]> {
  const { listen, advertise } = world.settings;
  const { peers } = listen;
  if (advertise === null || peers === null || 'path' in peers) return [];
  const running = await world.running();
  const bound = running?.peers?.split(':').at(-1);
  const port = advertise.port ?? Number(bound ?? peers.port);
  if (port === 0) return [];
  const where = { host: advertise.host, port };
  const away = (why: string): Finding[] => [
    fault(
      `nobody reaches our peers port where we say it is, ${writePlace(where)}: ${why}`,
      'correct advertise, or open the way (firewall, port mapping) to listen.peers',
    ),
  ];
  if (running !== null) {
    const why = await whyClosed(where);
    return why === null ? [] : away(why);
  }
  return world.alone(async () => {
    const held = await hold(peers).catch(() => null);
    // Taken: the check of the ports says by whom.
    if (held === null) return [];
    try {
      return (await leadsTo(where, held))
        ? []
        : away((await whyClosed(where)) ?? 'somebody else answers there');
    } finally {
      await held.letGo();
    }
  });
}

/** Dials where Consul sends others, as it is registered now: without advertise that is the agent's own address. */
async function registered(world: World): Promise<Finding[]> {
  const { service, settings } = world;
  if (service === null || settings.advertise !== null || settings.service?.app == null) return [];
  const here = Object.keys((await world.ask('/agent/services')) ?? {});
  const ours = items(await world.ask(`/health/connect/${service}?passing`)).filter((entry) =>
    here.includes(textOf(below(entry, 'Service', 'ID'))),
  );
  const found = await Promise.all(
    placesOf(ours).map(async (place): Promise<Finding[]> => {
      const why = await whyClosed(place);
      if (why === null) return [];
      return [
        fault(
          `Consul sends the callers of '${service}' to ${writePlace(place)}, where it is not reached: ${why}`,
          'set advertise to an address of this machine that others reach, and let listen.peers be open there',
        ),
      ];
    }),
  );
  return found.flat();
}

const placesOf = (entries: readonly unknown[]): { host: string; port: number }[] =>
  entries.map((entry) => ({
    host: textOf(below(entry, 'Service', 'Address')) || textOf(below(entry, 'Node', 'Address')),
    port: numberOf(below(entry, 'Service', 'Port')),
  }));

const leadsTo = async (where: { host: string; port: number }, { server }: Held): Promise<boolean> => {
  const limit = new AbortController();
  const arrived = once(server, 'connection', { signal: limit.signal }).then(
    () => true,
    () => false,
  );
  const late = setTimeout(() => limit.abort(), patienceMs);
  connect(where).then(
    (socket) => {
      socket.on('error', () => {});
      socket.once('close', () => limit.abort());
    },
    () => limit.abort(),
  );
  const found = await arrived;
  clearTimeout(late);
  return found;
};

async function theirs(world: World, name: string): Promise<Finding[]> {
  const { discovery } = world.settings;
  const places =
    discovery.from === 'static'
      ? (discovery.services[name] ?? []).filter(({ port }) => port > 0)
      : placesOf(items(await world.ask(`/health/connect/${name}?passing`)));
  const dialled = places.filter(({ port }) => port > 0).slice(0, mostDialled);
  const found = await Promise.all(
    dialled.map(async ({ host, port }): Promise<Finding[]> => {
      const why = await whyClosed({ host, port });
      if (why === null) return [];
      return [
        fault(
          `the peers port of '${name}' at ${writePlace({ host, port })} is not reached from here: ${why}`,
          `open the way from here to there, or set advertise in the settings of '${name}' to an address that others reach`,
        ),
      ];
    }),
  );
  return found.flat();
}
