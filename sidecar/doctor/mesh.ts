import { nearNames } from '../core/near-names.ts';
import { readPolicy } from '../settings/read-policy.ts';
import { below, items, numberOf, textOf } from './answers.ts';
import { because, type Check, type Finding, fault } from './finding.ts';
import type { World } from './world.ts';

/** What the mesh says of us and of those we call. */
export const meshChecks: readonly Check[] = [
  { name: 'upstreams', look: (world) => each(world, upstream) },
  {
    name: 'protocol',
    look: async (world) => (await Promise.all(known(world).map((name) => protocol(world, name)))).flat(),
  },
  { name: 'intentions', look: (world) => each(world, intention) },
  { name: 'twins', look: twins },
  {
    name: 'policy',
    // The policy of all services is read by every sidecar.
    look: async (world) =>
      (await Promise.all(['*', ...known(world)].map((name) => policy(world, name)))).flat(),
  },
];

/** Names that the settings speak of. */
const known = ({ service, settings }: World): string[] => [
  ...(service === null ? [] : [service]),
  ...Object.keys(settings.upstreams),
];

const each = async (
  world: World,
  look: (world: World, name: string) => Promise<Finding[]>,
): Promise<Finding[]> =>
  (await Promise.all(Object.keys(world.settings.upstreams).map((name) => look(world, name)))).flat();

async function upstream(world: World, name: string): Promise<Finding[]> {
  const { discovery } = world.settings;
  if (discovery.from === 'static') {
    const names = Object.keys(discovery.services);
    return names.includes(name) ? [] : [unknownTo('discovery.static.services', name, names)];
  }
  if ((await world.agent()) === null) return [];
  const services = await world.ask('/catalog/services');
  if (services === null) return [];
  const names = Object.keys(services as object).filter((one) => !one.endsWith('-sidecar-proxy'));
  if (!names.includes(name)) {
    // A resolver may lead elsewhere: then nothing is registered under the name itself.
    const targets = items(below(await world.ask(`/discovery-chain/${name}`), 'Chain', 'Targets'));
    if (targets.some((target) => textOf(below(target, 'Service')) !== name)) return [];
    return [unknownTo('Consul', name, names)];
  }
  const sidecars = items(await world.ask(`/health/connect/${name}`));
  if (sidecars.length === 0)
    return [
      fault(
        `upstream '${name}' is registered in Consul, but no instance has a sidecar`,
        `start it with one (outrigger run --service ${name} --port PORT -- COMMAND), or with Consul's own: consul connect proxy`,
      ),
    ];
  // As a sidecar asks for them: a warning is not passing.
  const passes = (check: unknown): boolean => below(check, 'Status') === 'passing';
  if (sidecars.some((entry) => items(below(entry, 'Checks')).every(passes))) return [];
  const failing = sidecars.flatMap((entry) => items(below(entry, 'Checks'))).find((check) => !passes(check));
  const said = textOf(below(failing, 'Output')).split('\n')[0]!.trim();
  return [
    fault(
      `no instance of upstream '${name}' passes its checks: ${textOf(below(failing, 'Name'))}${said === '' ? '' : ` (${said})`}`,
      `bring '${name}' up; consul catalog nodes -service ${name} says where it should be`,
    ),
  ];
}

const unknownTo = (where: string, name: string, names: readonly string[]): Finding => {
  const near = nearNames(name, names);
  return fault(
    `upstream '${name}' is not known to ${where}`,
    near.length > 0
      ? `did you mean ${near.join(' or ')}? correct upstreams`
      : `start '${name}', or correct upstreams`,
  );
};

async function protocol(world: World, name: string): Promise<Finding[]> {
  const chain = below(await world.ask(`/discovery-chain/${name}`), 'Chain');
  const start = textOf(below(chain, 'StartNode'));
  const kind = start.startsWith('router:')
    ? 'service-router'
    : start.startsWith('splitter:')
      ? 'service-splitter'
      : null;
  const said = textOf(below(chain, 'Protocol'));
  if (kind === null || said === 'grpc' || said === 'http2') return [];
  return [
    fault(
      `'${name}' has a ${kind}, but its protocol is '${said}': proxies of Consul would speak HTTP/1.1 to it`,
      `write Kind = "service-defaults", Name = "${name}", Protocol = "grpc" into a file, and: consul config write FILE`,
    ),
  ];
}

async function intention(world: World, name: string): Promise<Finding[]> {
  if (world.service === null || world.settings.discovery.from !== 'consul') return [];
  const answer = await world.ask(`/connect/intentions/check?source=${world.service}&destination=${name}`);
  if (below(answer, 'Allowed') !== false) return [];
  // Of an intention with permissions Consul says no without looking at them: here they decide, call by call.
  const match = below(await world.ask(`/connect/intentions/match?by=destination&name=${name}`), name);
  const decisive = items(match).find((one) =>
    ['*', world.service].includes(textOf(below(one, 'SourceName'))),
  );
  if (items(below(decisive, 'Permissions')).length > 0) return [];
  return [
    fault(
      `Consul's intentions do not let '${world.service}' call '${name}'`,
      `consul intention create -replace ${world.service} ${name}`,
    ),
  ];
}

/** Two sidecars before one app would both take its calls, under two names or twice under one. */
async function twins(world: World): Promise<Finding[]> {
  const app = world.settings.service?.app ?? null;
  if (app === null || 'path' in app) return [];
  const before = items(await world.ask('/agent/services')).filter(
    (one) =>
      textOf(below(one, 'Kind')) === 'connect-proxy' &&
      numberOf(below(one, 'Proxy', 'LocalServicePort')) === app.port &&
      /^(127\.|localhost$|$)/.test(textOf(below(one, 'Proxy', 'LocalServiceAddress'))),
  );
  const names = new Set(before.map((one) => textOf(below(one, 'Proxy', 'DestinationServiceName'))));
  const others = [...names].filter((name) => name !== world.service);
  if (others.length === 0 && before.length < 2) return [];
  const ids = before.map((one) => textOf(below(one, 'ID')));
  return [
    fault(
      `two sidecars for one port: ${ids.join(' and ')} stand${ids.length === 1 ? 's' : ''} before 127.0.0.1:${app.port}${others.length === 0 ? '' : ` as '${others.join("', '")}'`}`,
      `give each app a port of its own; what is left over goes by: consul services deregister -id ID`,
    ),
  ];
}

async function policy(world: World, name: string): Promise<Finding[]> {
  const key = `outrigger/policy/${name}`;
  const value = textOf(below(await world.ask(`/kv/${key}`), 0, 'Value'));
  if (value === '') return [];
  try {
    readPolicy(Buffer.from(value, 'base64').toString('utf8'), key, name);
    return [];
  } catch (thrown) {
    return [
      fault(
        `the policy in KV does not parse: ${because(thrown)}`,
        `mend the file, and: consul kv put ${key} @FILE`,
      ),
    ];
  }
}
