import { type RealConsul, type RealConsulOptions, startRealConsul } from './real-consul.ts';

/** A real Consul that denies what no token allows. */
export interface AclConsul extends RealConsul {
  /** May do anything. */
  readonly management: string;
  /** The token that README.md has made for a service; the same one each time. */
  tokenFor(service: string): Promise<string>;
  /** A token with these rules alone. */
  tokenWith(rules: readonly string[]): Promise<string>;
  /** Any question, with the management token; rejects unless it succeeds. */
  put(path: string, body: unknown): Promise<Record<string, string>>;
}

/** The one policy that README.md asks for beside the service identity. */
export const keyRule = 'key_prefix "outrigger/" { policy = "read" }';

/** What README.md's token allows the sidecar of a service, rule by rule: what Consul makes of a service identity, and the key. */
export const rulesOf = (service: string): string[] => [
  `service "${service}" { policy = "write" }`,
  `service "${service}-sidecar-proxy" { policy = "write" }`,
  'service_prefix "" { policy = "read" }',
  'node_prefix "" { policy = "read" }',
  keyRule,
];

/** Starts one with ACLs on and default deny. */
export const startAclConsul = async (options: Pick<RealConsulOptions, 'hcl'> = {}): Promise<AclConsul> => {
  let management = '';
  const consul = await startRealConsul({
    hcl: `acl { enabled = true default_policy = "deny" } ${options.hcl ?? ''}`,
    bootstrap: async (url) => {
      const answer = await fetch(`${url}/v1/acl/bootstrap`, { method: 'PUT' });
      if (!answer.ok) throw new Error(await answer.text());
      management = ((await answer.json()) as { SecretID: string }).SecretID;
      return management;
    },
  });
  const put: AclConsul['put'] = async (path, body) => {
    const answer = await fetch(`${consul.url}/v1${path}`, {
      method: 'PUT',
      headers: { 'X-Consul-Token': management },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`PUT ${path}: ${answer.status} ${text}`);
    return text.startsWith('{') ? JSON.parse(text) : {};
  };
  const secret = async (token: object): Promise<string> => (await put('/acl/token', token))['SecretID']!;
  await put('/acl/policy', { Name: 'outrigger', Rules: keyRule });
  const made = new Map<string, Promise<string>>();
  let policies = 0;
  return {
    ...consul,
    management,
    put,
    tokenFor: (service) => {
      const known =
        made.get(service) ??
        secret({ ServiceIdentities: [{ ServiceName: service }], Policies: [{ Name: 'outrigger' }] });
      made.set(service, known);
      return known;
    },
    tokenWith: async (rules) => {
      const { ID } = await put('/acl/policy', { Name: `test-${++policies}`, Rules: rules.join('\n') });
      return secret({ Policies: [{ ID }] });
    },
  };
};
