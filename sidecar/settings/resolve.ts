import { isAbsolute, resolve as resolvePath } from 'node:path';
import type { Address } from '../core/endpoint.ts';
import { type Place, writePlace } from './address.ts';
import { freeze } from './freeze.ts';
import type { File } from './schema.ts';
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
    allowPlaintextPeers: file['allow-plaintext-peers'],
    advertise: file.advertise ?? null,
    upstreams: Object.fromEntries(Object.entries(file.upstreams).map(([name, it]) => [name, place(it)])),
    balance: file.balance,
    flags: file.flags,
    intentions:
      file.intentions?.map(({ from, allow }) => ({ from, to: service?.name ?? '*', allow })) ?? null,
    limits: file.limits,
    drain: file.drain,
    log: file.log,
  });
};

const serviceOf = (file: File, absolute: (path: string) => string): ServiceSettings | null => {
  if (file.service === undefined) return null;
  const { name, port, socket, check } = file.service;
  const app =
    socket !== undefined
      ? { path: absolute(socket) }
      : port !== undefined
        ? { host: '127.0.0.1', port }
        : null;
  return { name, app, check: app === null ? 'none' : check };
};

const listenOf = (
  file: File,
  service: ServiceSettings | null,
  identity: IdentitySettings,
  place: (it: Place) => Place,
  peersPort: number,
): ListenSettings => {
  const { app, peers, admin, control } = file.listen;
  // Without a certificate nothing tells a peer from a stranger, so that only this machine is let in.
  const host = identity.from === 'none' ? '127.0.0.1' : '0.0.0.0';
  return {
    app: place(app),
    peers: service === null || service.app === null ? null : (peers ?? { host, port: peersPort }),
    admin,
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
  const token = consul?.['token-file'];
  return { from: 'consul', url, tokenFile: token === undefined ? null : absolute(token) };
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
  if (files !== undefined)
    return { from: 'files', cert: absolute(files.cert), key: absolute(files.key), ca: absolute(files.ca) };
  const from = typeof identity === 'object' ? identity.from : identity;
  if (from === 'none') return { from };
  return { from: discovery.from === 'static' && from === undefined ? 'none' : 'consul' };
};
