import { isAbsolute, resolve as resolvePath } from 'node:path';
import type { Address } from '../core/endpoint.ts';
import { type Place, writePlace } from './address.ts';
import { freeze } from './freeze.ts';
import { rulesOfFile } from './policy-rules.ts';
import type { File, IntentionFile } from './schema.ts';
import type {
  ConsulDiscovery,
  IdentitySettings,
  ListenSettings,
  ServiceSettings,
  Settings,
  StaticDiscovery,
} from './settings.ts';

/**
 * Fills in the defaults that hang on other keys and makes paths absolute. What keys say of each other is checked
 * in `contradictions`; here every contradiction still has a meaning, so that all of them are told at once.
 */
export const resolve = (file: File, directory: string, freePorts: boolean): Settings => {
  const absolute = (path: string): string => (isAbsolute(path) ? path : resolvePath(directory, path));
  const place = (it: Place): Place => ('path' in it ? { path: absolute(it.path) } : it);
  const discovery = discoveryOf(file, absolute, place);
  const identity = identityOf(file, discovery, absolute);
  const service = serviceOf(file, absolute);
  return freeze({
    service,
    listen: listenOf(file, service, identity, place, freePorts ? 0 : 15002),
    discovery,
    identity,
    stateDir:
      typeof file['state-dir'] === 'string' ? file['state-dir'] : { path: absolute(file['state-dir'].path) },
    allowPlaintextPeers: file['allow-plaintext-peers'],
    advertise: file.advertise ?? null,
    upstreams: Object.fromEntries(Object.entries(file.upstreams).map(([name, it]) => [name, place(it)])),
    flags: file.flags,
    flagging: {
      file: file.flagging.file === undefined ? null : absolute(file.flagging.file),
      targetingKey: file.flagging['targeting-key'] ?? null,
      deciders: file.flagging.deciders ?? null,
      testers: file.flagging.testers,
    },
    policies: rulesOfFile(file),
    intentions:
      rulesOf(file.intentions)?.map(({ from, allow }) => ({ from, to: service?.name ?? '*', allow })) ?? null,
    auditsIntentions: file.intentions !== undefined && !Array.isArray(file.intentions),
    faults: file.faults,
    limits: file.limits,
    drain: file.drain,
    log: { level: file.log.level, access: file.log.access === 'none' ? null : file.log.access },
  });
};

/** The rules that stand in the file itself. */
export const rulesOf = (said: File['intentions']): IntentionFile[] | null =>
  said === undefined || said === 'audit' ? null : Array.isArray(said) ? said : said.audit;

const serviceOf = (file: File, absolute: (path: string) => string): ServiceSettings | null => {
  if (file.service === undefined) return null;
  const { name, port, socket, check, meta, tags } = file.service;
  const app =
    socket !== undefined
      ? { path: absolute(socket) }
      : port !== undefined
        ? { host: '127.0.0.1', port }
        : null;
  const said = { ...(meta !== undefined && { meta }), ...(tags !== undefined && { tags }) };
  return { name, app, check: app === null ? 'none' : check, ...said };
};

const listenOf = (
  file: File,
  service: ServiceSettings | null,
  identity: IdentitySettings,
  place: (it: Place) => Place,
  peersPort: number,
): ListenSettings => {
  const { app, peers, admin, health = null, control } = file.listen;
  // Without a certificate nothing tells a peer from a stranger, so that only this machine is let in.
  const host = identity.from === 'none' ? '127.0.0.1' : '0.0.0.0';
  return {
    app: place(app),
    peers: service === null || service.app === null ? null : (peers ?? { host, port: peersPort }),
    admin,
    health,
    control: typeof control === 'string' ? control : (place(control) as { path: string }),
  };
};

const discoveryOf = (
  file: File,
  absolute: (path: string) => string,
  place: (it: Place) => Place,
): ConsulDiscovery | StaticDiscovery => {
  const { consul, static: fixed } = file.discovery;
  if (fixed !== undefined) {
    const services = Object.entries(fixed.services).map(([name, places]): [string, Address[]] => [
      name,
      places.map((it) => addressOf(place(it), name)),
    ]);
    return { from: 'static', services: Object.fromEntries(services) };
  }
  const url = (consul?.url ?? 'http://127.0.0.1:8500').replace(/\/$/, '');
  const pathOf = (key: 'token-file' | 'ca-file' | 'cert-file' | 'key-file'): string | null => {
    const given = consul?.[key];
    return given === undefined ? null : absolute(given);
  };
  return {
    from: 'consul',
    url,
    tokenFile: pathOf('token-file'),
    caFile: pathOf('ca-file'),
    certFile: pathOf('cert-file'),
    keyFile: pathOf('key-file'),
    serverName: consul?.['server-name'] ?? null,
    verify: consul?.verify ?? true,
  };
};

const addressOf = (place: Place, service: string): Address =>
  'path' in place
    ? { id: writePlace(place), host: place.path, port: 0, service }
    : { id: writePlace(place), host: place.host, port: place.port, service };

const identityOf = (
  file: File,
  discovery: ConsulDiscovery | StaticDiscovery,
  absolute: (path: string) => string,
): IdentitySettings => {
  const { identity } = file;
  const files = typeof identity === 'object' ? identity.files : undefined;
  const leastTls = (typeof identity === 'object' ? identity['min-version'] : undefined) ?? 'TLSv1.2';
  if (files !== undefined) {
    const { cert, key, ca } = files;
    return { from: 'files', cert: absolute(cert), key: absolute(key), ca: absolute(ca), leastTls };
  }
  const from = typeof identity === 'object' ? identity.from : identity;
  if (from === 'none') return { from };
  return discovery.from === 'static' && from === undefined ? { from: 'none' } : { from: 'consul', leastTls };
};
