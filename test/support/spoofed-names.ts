/** Every way to write our own prefix that HTTP/2 lets through. */
export const ourSpellings: readonly string[] = [
  'x-outrigger-caller',
  'x-outrigger-reached',
  'x-outrigger-ledger',
  'x-outrigger-token',
  'x-outrigger-anything',
  'x-outrigger-caller-bin',
  'x_outrigger_caller',
  'x-outrigger_caller',
  'x_outrigger-caller',
  'x-outrigger',
  'x_outrigger',
];

/** What proxies of other makes say of a caller, as they write it and otherwise. */
export const theirSpellings: readonly string[] = [
  'x-forwarded-client-cert',
  'x_forwarded_client_cert',
  'x-forwarded_client-cert',
  'x-forwarded-client-cert-bin',
  'l5d-client-id',
  'l5d_client_id',
  'l5d-client-id-bin',
  'client-cert',
  'client_cert',
  'client-cert-chain',
];

/** Those of `names` by which somebody could say who calls. */
export const spoofedAmong = (names: Iterable<string>): string[] =>
  [...names].filter((name) => /outrigger/.test(name) || theirSpellings.includes(name)).sort();

/** Each name with a lie, as a call's metadata. */
export const lies = (names: readonly string[]): (readonly [string, string | Buffer])[] =>
  names.map((name) => [name, name.endsWith('-bin') ? Buffer.from('admin') : 'admin'] as const);
