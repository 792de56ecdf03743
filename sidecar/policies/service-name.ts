/** What is wrong with the place where a service should be named. */
type Misnamed = 'absent' | 'address' | 'malformed';

/** A service's name as a call said it, or why it said none. */
export interface Named {
  /** The empty string when there is no name. */
  readonly name: string;
  readonly misnamed: Misnamed | null;
}

const pattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const port = /:[0-9]{1,5}$/;
const ipv4 = /^[0-9]{1,3}(?:\.[0-9]{1,3}){3}$/;
const suffix = '.mesh';

/** A plain service name: a letter or digit, then up to 127 of letters, digits, dots, underscores and dashes. */
export const plainName = (name: string): Named => {
  if (name === '') return { name: '', misnamed: 'absent' };
  return pattern.test(name) ? { name, misnamed: null } : { name: '', misnamed: 'malformed' };
};

/**
 * The service that an :authority means: `inventory`, `inventory.mesh`, either with a port. An address (`127.0.0.1`,
 * `[::1]`, `localhost`, with a port or without) names none: it is what clients send who were not told the name.
 */
export const nameInAuthority = (authority: string): Named => {
  if (authority === '') return { name: '', misnamed: 'absent' };
  if (authority.charCodeAt(0) === 0x5b) return { name: '', misnamed: 'address' };
  let host = authority.replace(port, '');
  if (host === 'localhost' || ipv4.test(host)) return { name: '', misnamed: 'address' };
  if (host.endsWith(suffix)) host = host.slice(0, -suffix.length);
  return plainName(host);
};
