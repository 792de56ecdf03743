import { resolve } from 'node:path';
import { UsageError } from './exit.ts';

/** What the command line says of Consul. */
export interface ConsulOptions {
  readonly consul?: string;
  readonly tokenFile?: string;
}

/** The part of the settings that those options stand for. It wins over the file. */
export const consulOverlay = (options: ConsulOptions): Record<string, unknown> => {
  const agent = {
    ...(options.consul === undefined ? {} : { url: urlOf('--consul', options.consul, false) }),
    ...(options.tokenFile === undefined ? {} : { 'token-file': resolve(options.tokenFile) }),
  };
  return Object.keys(agent).length === 0 ? {} : { discovery: { consul: agent } };
};

/** Variables that name a file, and the key of `discovery.consul` that they stand for. */
const files = {
  CONSUL_HTTP_TOKEN_FILE: 'token-file',
  CONSUL_CACERT: 'ca-file',
  CONSUL_CLIENT_CERT: 'cert-file',
  CONSUL_CLIENT_KEY: 'key-file',
} as const;

/** Variables of Consul's own command line that we cannot follow, and what to do. To pass one by would be worse. */
const unsupported: Readonly<Record<string, string>> = {
  CONSUL_NAMESPACE:
    "namespaces are Consul Enterprise and not supported: all services are looked for in 'default'; unset it, or set it to default",
  CONSUL_PARTITION:
    "partitions are Consul Enterprise and not supported: all services are looked for in 'default'; unset it, or set it to default",
  CONSUL_CAPATH:
    'a folder of certificates is not read; put them into one PEM file and name it in CONSUL_CACERT',
  CONSUL_HTTP_AUTH:
    'a password before the agent is not supported; ask the agent itself, and use an ACL token',
};

/**
 * What Consul's own variables say, as keys of `discovery.consul`. They hold where neither an option nor the file
 * speaks, key by key. The token of CONSUL_HTTP_TOKEN is no setting, because settings are shown: see `consulToken`.
 *
 * Throws a UsageError for a variable that cannot be followed. Ref: "Environment variables" of Consul's commands.
 */
export const consulEnvironment = (env: NodeJS.ProcessEnv): Record<string, unknown> => {
  for (const [name, why] of Object.entries(unsupported))
    if (env[name] && env[name] !== 'default' && !isReplaced(name, env))
      throw new UsageError(`${name}: ${why}`);
  const agent: Record<string, unknown> = {};
  const secure = flagOf('CONSUL_HTTP_SSL', env) ?? false;
  const address = env['CONSUL_HTTP_ADDR'];
  if (address) agent['url'] = urlOf('CONSUL_HTTP_ADDR', address, secure);
  else if (secure) agent['url'] = 'https://127.0.0.1:8500';
  // Relative paths are meant from where the command was given, not from where the settings file lies.
  for (const [name, key] of Object.entries(files)) if (env[name]) agent[key] = resolve(env[name]);
  if (env['CONSUL_TLS_SERVER_NAME']) agent['server-name'] = env['CONSUL_TLS_SERVER_NAME'];
  if (flagOf('CONSUL_HTTP_SSL_VERIFY', env) === false) agent['verify'] = false;
  return agent;
};

/** The token in CONSUL_HTTP_TOKEN. Any file with a token wins over it, as with Consul's own command line. */
export const consulToken = (env: NodeJS.ProcessEnv): string | undefined =>
  env['CONSUL_HTTP_TOKEN'] || undefined;

const isReplaced = (name: string, env: NodeJS.ProcessEnv): boolean =>
  name === 'CONSUL_CAPATH' && Boolean(env['CONSUL_CACERT']);

/** `secure`: CONSUL_HTTP_SSL is on, so that nothing goes back to plaintext. */
const urlOf = (name: string, address: string, secure: boolean): string => {
  const [, scheme = '', rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/is.exec(address) ?? [];
  const kind = scheme.toLowerCase();
  if (kind === 'unix')
    throw new UsageError(
      `${name}=${address}: a unix socket of Consul is not supported; let the agent listen on loopback, and write http://127.0.0.1:8500`,
    );
  if (!['', 'http', 'https'].includes(kind) || !/^[^/?#@\s]+\/?$/.test(rest))
    throw new UsageError(
      `${name}=${address}: must be HOST:PORT, http://HOST:PORT or https://HOST:PORT, without a path`,
    );
  return `${secure || kind === 'https' ? 'https' : 'http'}://${rest.replace(/\/$/, '')}`;
};

/** The words for yes and no that Consul's own command line takes. */
const flagOf = (name: string, env: NodeJS.ProcessEnv): boolean | undefined => {
  const text = env[name];
  if (!text) return undefined;
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false;
  throw new UsageError(`${name}=${text}: must be true or false`);
};
