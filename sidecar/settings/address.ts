import { isIP } from 'node:net';

/** Where something listens or is dialled. `port` 0 of a listener asks for a free one. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string };

/** Bytes of a unix socket's path: 104 on macOS with the final NUL, 108 on Linux; a file must do on both. */
export const longestSocketPath: number = 103;

const hostname = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*$/;

/** Reads `host:port` or `[IPv6]:port`; null where it is neither. */
export const readHostPort = (text: string): { host: string; port: number } | null => {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^[\]:]+)):(0|[1-9][0-9]{0,4})$/.exec(text);
  if (match === null) return null;
  const host = match[1] ?? match[2]!;
  const port = Number(match[3]);
  if (port > 65535) return null;
  if (match[1] !== undefined) return isIP(host) === 6 ? { host, port } : null;
  return isHost(host) ? { host, port } : null;
};

/** Reads `unix:PATH`; null where it is not one. */
export const readSocketPath = (text: string): { path: string } | null =>
  text.startsWith('unix:') && text.length > 5 && !text.includes('\0') ? { path: text.slice(5) } : null;

/** True for an IPv4 address or a hostname; IPv6 needs its brackets wherever a port may follow. */
export const isHost = (text: string): boolean =>
  isIP(text) === 4 ||
  (isIP(text) === 0 && text.length <= 253 && !/^[0-9.]+$/.test(text) && hostname.test(text));

/** How a place is written: `127.0.0.1:15001`, `[::1]:15001`, `unix:/run/orders.sock`. */
export const writePlace = (place: Place): string => {
  if ('path' in place) return `unix:${place.path}`;
  return place.host.includes(':') ? `[${place.host}]:${place.port}` : `${place.host}:${place.port}`;
};

/** True where only this machine can reach `place`. A name other than `localhost` could be anywhere. */
export const isLoopback = (place: Place): boolean => {
  if ('path' in place) return true;
  const host = place.host.toLowerCase();
  if (host === 'localhost' || host.endsWith('.localhost')) return true;
  return isIP(host) === 4 ? host.startsWith('127.') : /^(0{0,4}:){1,7}0{0,3}1$|^::1$/.test(host);
};

const wildcards: ReadonlySet<string> = new Set(['0.0.0.0', '::']);

/** True where two listeners would want the same socket; free ports (0) never do. */
export const collide = (one: Place, other: Place): boolean => {
  if ('path' in one || 'path' in other) return 'path' in one && 'path' in other && one.path === other.path;
  if (one.port === 0 || one.port !== other.port) return false;
  return (
    one.host === other.host || wildcards.has(one.host) || wildcards.has(other.host) || bothLocal(one, other)
  );
};

const bothLocal = (one: { host: string }, other: { host: string }): boolean => {
  const names = [one.host.toLowerCase(), other.host.toLowerCase()];
  return names.includes('localhost') && (names.includes('127.0.0.1') || names.includes('::1'));
};
