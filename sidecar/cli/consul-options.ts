/** What the command line says of Consul. */
export interface ConsulOptions {
  readonly consul?: string;
  readonly tokenFile?: string;
}

/**
 * The part of the settings that those options stand for. Where neither an option nor a file speaks, the variables of
 * Consul's own command line do; over a file they would win unseen.
 */
export const consulOverlay = (
  options: ConsulOptions,
  env: NodeJS.ProcessEnv,
  hasFile: boolean,
): Record<string, unknown> => {
  const address = options.consul ?? (hasFile ? undefined : env['CONSUL_HTTP_ADDR'] || undefined);
  const token = options.tokenFile ?? (hasFile ? undefined : env['CONSUL_HTTP_TOKEN_FILE'] || undefined);
  const agent = {
    // Consul's own command line takes an address without a scheme too.
    ...(address === undefined ? {} : { url: address.includes('://') ? address : `http://${address}` }),
    ...(token === undefined ? {} : { 'token-file': token }),
  };
  return Object.keys(agent).length === 0 ? {} : { discovery: { consul: agent } };
};
