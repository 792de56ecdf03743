import { collide, isLoopback, longestSocketPath, type Place, writePlace } from './address.ts';
import { rulesOf } from './resolve.ts';
import type { File } from './schema.ts';
import type { Settings } from './settings.ts';

/** What is wrong at one key, before anybody knows on which line the key stands. */
export interface Complaint {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

/** What the keys of a file say against each other: `errors` stop the start, `warnings` are written to the log. */
export const contradictions = (
  file: File,
  settings: Settings,
): { errors: readonly Complaint[]; warnings: readonly Complaint[] } => {
  const errors: Complaint[] = [];
  const warnings: Complaint[] = [];
  const wrong = (path: (string | number)[], message: string): void => void errors.push({ path, message });
  const risky = (path: (string | number)[], message: string): void => void warnings.push({ path, message });
  checkService(file, settings, wrong);
  checkDiscovery(file, wrong, risky);
  checkIdentity(file, settings, wrong);
  checkPlaintext(file, settings, wrong, risky);
  checkIntentions(file, settings, wrong);
  checkFlagging(settings, wrong);
  checkListeners(file, settings, wrong, risky);
  checkPolicies(file, settings, risky);
  return { errors, warnings };
};

type Say = (path: (string | number)[], message: string) => void;

const checkService: (file: File, settings: Settings, wrong: Say) => void = (file, settings, wrong) => {
  if (file.service?.port !== undefined && file.service.socket !== undefined)
    wrong(['service', 'socket'], "stands beside port: keep 'port' or 'socket', where the app answers");
  const { contract } = file.service ?? {};
  if (contract !== undefined && contract !== 'none' && settings.service?.app === null)
    wrong(
      ['service', 'contract'],
      'has no app to speak of: add service.port or service.socket, or remove it',
    );
  if (
    settings.service === null &&
    !(settings.discovery.from === 'static' && settings.identity.from === 'none')
  )
    wrong(
      ['service'],
      "is missing: write 'service: { name: orders, port: 50051 }' with the app's own name and port",
    );
};

const checkDiscovery = (file: File, wrong: Say, risky: Say): void => {
  if (file.discovery.consul !== undefined && file.discovery.static !== undefined)
    wrong(['discovery', 'static'], "stands beside consul: keep one of 'consul' and 'static'");
  const { consul } = file.discovery;
  if (consul === undefined) return;
  const at = (key: string): string[] => ['discovery', 'consul', key];
  if ((consul['cert-file'] === undefined) !== (consul['key-file'] === undefined)) {
    const [here, missing] =
      consul['cert-file'] === undefined ? ['key-file', 'cert-file'] : ['cert-file', 'key-file'];
    wrong(at(here), `stands without its ${missing}: give both, or neither`);
  }
  if (!consul.url.startsWith('https:'))
    for (const key of ['ca-file', 'cert-file', 'key-file', 'server-name'] as const)
      if (consul[key] !== undefined)
        risky(
          at(key),
          `has no effect, as the agent is asked without TLS: write 'url: https://HOST:8501', or remove it`,
        );
  if (!consul.verify)
    risky(
      at('verify'),
      "is false: anybody on the path to the agent can be our Consul and our CA; give 'ca-file' in place of it",
    );
};

const checkIdentity = (file: File, settings: Settings, wrong: Say): void => {
  const { identity } = file;
  const from = typeof identity === 'object' ? identity.from : identity;
  const files = typeof identity === 'object' ? identity.files : undefined;
  if (from === 'files' && files === undefined)
    wrong(
      ['identity', 'from'],
      "is files, but no files are named: add 'files: { cert: PATH, key: PATH, ca: PATH }'",
    );
  if (from !== undefined && from !== 'files' && files !== undefined)
    wrong(['identity', 'files'], `stands beside 'from: ${from}': keep one of the two`);
  if (settings.discovery.from !== 'static') return;
  if (from === undefined && files === undefined)
    wrong(
      ['identity'],
      "must be said with static discovery: write 'identity: { files: { cert: PATH, key: PATH, ca: PATH } }', or 'identity: none' for plaintext on this machine",
    );
  if (from === 'consul')
    wrong(
      ['identity'],
      "is consul, but discovery is static and names no agent: use 'discovery: { consul: { url: http://127.0.0.1:8500 } }', or 'identity: { files: ... }'",
    );
};

const checkPlaintext = (file: File, settings: Settings, wrong: Say, risky: Say): void => {
  if (settings.identity.from !== 'none') {
    if (settings.allowPlaintextPeers)
      wrong(['allow-plaintext-peers'], 'has no effect with certificates: remove it, or write identity: none');
    return;
  }
  const say = settings.allowPlaintextPeers ? risky : wrong;
  const but = settings.allowPlaintextPeers
    ? 'anybody on the path can read and forge its calls'
    : "use 127.0.0.1, give an identity, or write 'allow-plaintext-peers: true'";
  const { peers } = settings.listen;
  if (peers !== null && !isLoopback(peers))
    say(
      ['listen', 'peers'],
      `${writePlace(peers)} is open to the network without TLS, as identity is none: ${but}`,
    );
  for (const [name, places] of Object.entries(file.discovery.static?.services ?? {}))
    for (const [index, place] of places.entries())
      if (!isLoopback(place))
        say(
          ['discovery', 'static', 'services', name, index],
          `${writePlace(place)} is on the network and would be called without TLS, as identity is none: ${but}`,
        );
};

const checkIntentions = (file: File, settings: Settings, wrong: Say): void => {
  if (file.intentions === undefined) return;
  const rules = rulesOf(file.intentions);
  if (settings.discovery.from === 'consul') {
    if (rules !== null)
      wrong(
        ['intentions'],
        'come from Consul with discovery from Consul: set them there and remove them here',
      );
  } else if (rules === null)
    wrong(['intentions'], "has no list to watch with static discovery: write 'intentions: { audit: [...] }'");
  else if (settings.identity.from === 'none')
    wrong(
      ['intentions'],
      'need callers that prove who they are, but identity is none: give an identity, or remove them',
    );
  const place = Array.isArray(file.intentions) ? ['intentions'] : ['intentions', 'audit'];
  const seen = new Set<string>();
  for (const [index, { from }] of (rules ?? []).entries()) {
    if (seen.has(from)) wrong([...place, index], `speaks of '${from}' a second time: keep one`);
    seen.add(from);
  }
};

const checkFlagging = ({ flagging, identity, service }: Settings, wrong: Say): void => {
  if (identity.from !== 'none') return;
  if (flagging.deciders !== null)
    wrong(
      ['flagging', 'deciders'],
      'need callers that prove who they are, but identity is none: give an identity, or remove them',
    );
  for (const [index, name] of flagging.testers.entries())
    if (name !== service?.name)
      wrong(
        ['flagging', 'testers', index],
        `'${name}' cannot prove who it is, as identity is none: give an identity, or remove it`,
      );
};

const checkListeners = (file: File, settings: Settings, wrong: Say, risky: Say): void => {
  const { listen, upstreams, service } = settings;
  const listeners: [(string | number)[], Place][] = [
    [['listen', 'app'], listen.app],
    ...(listen.peers === null ? [] : [[['listen', 'peers'], listen.peers] as [string[], Place]]),
    [['listen', 'admin'], listen.admin],
    ...(listen.health === null ? [] : [[['listen', 'health'], listen.health] as [string[], Place]]),
    ...(typeof listen.control === 'string'
      ? []
      : [[['listen', 'control'], listen.control] as [string[], Place]]),
    ...Object.entries(upstreams).map(([name, it]): [string[], Place] => [['upstreams', name], it]),
  ];
  for (const [index, [path, place]] of listeners.entries()) {
    const other = listeners.slice(0, index).find(([, earlier]) => collide(place, earlier));
    if (other !== undefined)
      wrong(path, `${writePlace(place)} is taken by ${other[0].join('.')}: choose another`);
    if ('path' in place && Buffer.byteLength(place.path) > longestSocketPath)
      wrong(
        path,
        `is ${Buffer.byteLength(place.path)} bytes long, a unix socket's path may have ${longestSocketPath}: shorten it`,
      );
    const isApp = service?.app != null && collide(place, service.app);
    if (isApp) wrong(path, `${writePlace(place)} is where the app answers (service): choose another`);
  }
  if (!isLoopback(listen.admin))
    wrong(['listen', 'admin'], `${writePlace(listen.admin)} is open to the network: use 127.0.0.1 or [::1]`);
  for (const [path, place] of listeners)
    if ((path[1] === 'app' || path[0] === 'upstreams') && !isLoopback(place))
      risky(
        path,
        `${writePlace(place)} is open to the network: whoever reaches it calls as ${service?.name ?? 'us'}`,
      );
  if (service !== null && Object.hasOwn(upstreams, service.name))
    wrong(['upstreams', service.name], 'is this service itself: a call would leave and come back; remove it');
  if (file.listen.peers !== undefined && listen.peers === null)
    wrong(['listen', 'peers'], 'has nothing behind it: add service.port or service.socket, or remove it');
  if (settings.advertise !== null && listen.peers === null)
    wrong(['advertise'], 'has no peers port to speak of: add service.port or service.socket, or remove it');
};

const checkPolicies = (file: File, { service }: Settings, risky: Say): void => {
  if (service !== null && Object.hasOwn(file.policies, service.name))
    risky(
      ['policies', service.name],
      'is about this service itself: policies are for calls that leave here; give it to its callers, or to all in KV',
    );
};
