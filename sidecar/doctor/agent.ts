import { ConsulError } from '../consul/errors.ts';
import type { ConsulDiscovery } from '../settings/settings.ts';
import { below, items, textOf } from './answers.ts';
import { because, type Check, type Finding, fault, risk } from './finding.ts';
import { addressesOf } from './sockets.ts';
import type { World } from './world.ts';

/** The oldest agent that the contract suite has been run against. */
const oldestAgent = [1, 8] as const;
/** Consul dates a leaf back by a minute: half of it is left for what a clock does until somebody looks. */
const mostSkewMs = 30_000;

/** The Consul agent: it answers, it can do what is needed, and it is the one of this machine. */
export const agentChecks: readonly Check[] = [
  { name: 'agent', look: reach },
  {
    name: 'agent-version',
    look: async (world) => {
      const builds = items(await world.ask('/agent/members')).map((member) =>
        textOf(below(member, 'Tags', 'build')).replace(/:.*/, ''),
      );
      const old = builds.find((build) => build !== '' && isOlder(build));
      if (old === undefined) return [];
      return [
        fault(
          `${urlOf(world)} belongs to a cluster with Consul ${old}: ${oldestAgent.join('.')} is the oldest that works`,
          `upgrade it, or ask another: ${urlSetting}`,
        ),
      ];
    },
  },
  {
    name: 'connect',
    look: async (world) => {
      const door = await world.agent();
      if (door === null || world.settings.identity.from !== 'consul') return [];
      const { status, text } = await door.look('/agent/connect/ca/roots', world.signal);
      if (status === 200) return [];
      if (/connect/i.test(text) && /enabled|disabled/i.test(text))
        return [
          fault(
            `Connect is off in Consul at ${urlOf(world)}: there are no certificates`,
            'connect { enabled = true } on every server, then restart them one by one',
          ),
        ];
      return [
        fault(
          `Consul has no root certificate to give: ${text}`,
          'look into the log of the Consul servers for its CA provider',
        ),
      ];
    },
  },
  {
    name: 'clock',
    look: async (world) => {
      const door = await world.agent();
      if (door === null) return [];
      const before = world.wall();
      const { date } = await door.look('/status/leader', world.signal);
      const after = world.wall();
      if (date === null) return [];
      // The agent's second may be nearly over, and the question took a while.
      const [least, most] = [before - date - 1000, after - date];
      const skew = least > 0 ? least : most < 0 ? most : 0;
      if (Math.abs(skew) < mostSkewMs) return [];
      return [
        fault(
          `this machine's clock is ${Math.round(Math.abs(skew) / 1000)} s ${skew > 0 ? 'ahead of' : 'behind'} the agent's: certificates are not valid yet, or not any more`,
          'let both keep time (timedatectl set-ntp true, or chronyd)',
        ),
      ];
    },
  },
  { name: 'agent-place', look: place },
];

async function reach(world: World): Promise<Finding[]> {
  const { door, signal } = world;
  if (door === null) return [];
  if (typeof door === 'string')
    return [fault(door, 'correct the path, or the rights of the file (chmod, chown)')];
  try {
    const { status, text } = await door.look('/status/leader', signal);
    if (status === 400 && /HTTPS server/i.test(text))
      return [
        fault(
          `${urlOf(world)} speaks HTTPS alone`,
          `write https:// in ${urlSetting}, and its CA in discovery.consul.ca-file (CONSUL_CACERT)`,
        ),
      ];
    if (status === 429)
      return [
        fault(
          `${urlOf(world)} refuses connections: ${text}`,
          'raise limits.http_max_conns_per_client of the agent',
        ),
      ];
    if (status !== 200)
      return [fault(`what answers at ${urlOf(world)} is no Consul agent: ${text}`, `correct ${urlSetting}`)];
    if (text.trim() === '""')
      return [
        fault(
          `Consul at ${urlOf(world)} has no leader: nothing new can be written or signed`,
          'consul operator raft list-peers on a server; bring the missing servers back',
        ),
      ];
    return [];
  } catch (thrown) {
    const said = because(thrown).replace(/; start an agent there.*/, '');
    if (!(thrown instanceof ConsulError) || thrown.failure === 'stopped') throw thrown;
    if (thrown.failure === 'token')
      return [
        fault(said.replace(/;.*/, ''), 'write the token there, readable by this user alone (chmod 600)'),
      ];
    if (/alert/i.test(said) && /certificate/i.test(said))
      return [
        fault(
          `${urlOf(world)} asks for a certificate, and ${discoveryOf(world).certFile === null ? 'there is none' : 'does not believe ours'}`,
          'name certificate and key in discovery.consul.cert-file and key-file (CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY)',
        ),
      ];
    if (/certificate|altname|self[- ]signed|unable to (verify|get)/i.test(said))
      return [
        fault(
          `the certificate of the agent is not believed: ${said}`,
          'name its CA in discovery.consul.ca-file (CONSUL_CACERT), and its name in server-name (CONSUL_TLS_SERVER_NAME)',
        ),
      ];
    if (/wrong version number|packet length|EPROTO/i.test(said))
      return [
        fault(
          `${urlOf(world)} does not speak HTTPS`,
          `write http:// in ${urlSetting}, or give the agent's HTTPS port (usually 8501)`,
        ),
      ];
    return [
      fault(
        `the Consul agent does not answer: ${said}`,
        `start an agent there (consul agent -dev; outrigger agent), or correct ${urlSetting}`,
      ),
    ];
  }
}

/** An agent elsewhere looks for the app on its own loopback, and others find us at its address. */
async function place(world: World): Promise<Finding[]> {
  if ((await world.agent()) === null) return [];
  const addresses = await addressesOf(new URL(urlOf(world)).hostname);
  if (addresses.length === 0 || addresses.some(world.isOwn)) return [];
  const members = items(await world.ask('/agent/members'));
  const member = members.find((each) => addresses.includes(textOf(below(each, 'Addr'))));
  const isServer = textOf(below(member, 'Tags', 'role')) === 'consul';
  if (isServer)
    return [
      fault(
        `${urlOf(world)} is a Consul server elsewhere, not the agent of this machine: agentless Consul is not supported`,
        'run a client agent on this machine (in Kubernetes one per node, at the host IP), and name it in CONSUL_HTTP_ADDR',
      ),
    ];
  if (world.settings.service?.app == null || world.settings.advertise !== null) return [];
  return [
    risk(
      `the agent at ${urlOf(world)} is on another address than this machine: peers will look for us there`,
      'set advertise to an address of this machine (in Kubernetes the pod IP), and service.check to what the agent can reach',
    ),
  ];
}

const isOlder = (build: string): boolean => {
  const [major = 0, minor = 0] = build.split('.').map(Number);
  return major < oldestAgent[0] || (major === oldestAgent[0] && minor < oldestAgent[1]);
};

/** Where no agent is asked, nobody comes here. */
const discoveryOf = ({ settings: { discovery } }: World): ConsulDiscovery => discovery as ConsulDiscovery;

const urlOf = (world: World): string => discoveryOf(world).url;

const urlSetting = 'discovery.consul.url (--consul, CONSUL_HTTP_ADDR)';
