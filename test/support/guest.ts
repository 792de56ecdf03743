import { type Api, type ApiQuestion, apiOf, type Manner } from './consul-api.ts';

/** A stay in an agent that is not ours: under names of our own, and gone without a trace. */
export interface Guest {
  /** What every name of this stay begins with. */
  readonly prefix: string;
  readonly manner: Manner;
  /** Takes out everything of this stay, and of stays that ended more than an hour ago without doing so; answers what is still there. */
  leave(): Promise<string[]>;
}

/** What is asked of the agent, and with what. */
export interface GuestOptions {
  readonly url: string;
  readonly token: string | undefined;
  /** The suite is written for `dc1`. */
  readonly datacenter: string;
}

const mark = 'outrigger-test-';
const staleMs = 3_600_000;
/** Config entries in the order in which nothing that is left hangs on what is gone. */
const kinds = ['service-router', 'service-splitter', 'service-resolver', 'service-defaults'];

/** Where a name stands in a body. */
const named = new Set([
  ...['ID', 'Name', 'CheckID', 'ServiceID', 'AliasService', 'DestinationServiceName', 'DestinationServiceID'],
  ...['SourceName', 'DestinationName', 'Target', 'Service'],
]);
/** Paths that end in a name. */
const paths =
  /^(\/v1\/(?:(?:health\/(?:service|connect|checks)|catalog\/service|agent\/service(?:\/(?:deregister|maintenance))?|agent\/health\/service\/(?:id|name)|agent\/check\/(?:pass|warn|fail|update|deregister)|agent\/connect\/ca\/leaf|discovery-chain|config\/[a-z-]+)\/|kv\/(?:outrigger\/)?))([^/?][^?]*)(.*)$/;
/** What looks like a name in such a path and is a word of the API. */
const words = /^(register|deregister|maintenance|pass|warn|fail|update)$/;
const inQuery = /([?&](?:name|source|destination)=)([^&*])/g;

/** Opens a stay. Nothing is sent before the first question. */
export const guestOf = ({ url, token, datacenter }: GuestOptions): Guest => {
  const prefix = `${mark}${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 6)}-`;
  const ours = (name: string): string => {
    if (name === '' || name === '*') return name;
    // The agent's own way to name a check after its service.
    return name.startsWith('service:') ? `service:${prefix}${name.slice(8)}` : `${prefix}${name}`;
  };
  const dressed = (value: unknown, key = ''): unknown => {
    if (key === 'ClientCertURI') return String(value).replace(/(?<=\/svc\/)/, prefix);
    if (typeof value === 'string') return named.has(key) ? ours(value) : value;
    if (Array.isArray(value)) return value.map((item) => dressed(item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([inner, item]) => [inner, dressed(item, inner)]));
  };
  const show = token === undefined ? {} : { token: async () => token };
  const manner: Manner = {
    ...show,
    put: ({ method, path, body }: ApiQuestion) => ({
      method,
      path: path
        .replace(paths, (whole, front: string, name: string, query: string) =>
          words.test(name) ? whole : `${front}${ours(decodeURIComponent(name))}${query}`,
        )
        .replace(inQuery, (_, front: string, first: string) => `${front}${prefix}${first}`),
      body: headerNames(dressed(body), body),
    }),
    hear: (text) => {
      const plain = text.replaceAll(prefix, '');
      return datacenter === 'dc1'
        ? plain
        : plain.replaceAll(`.${datacenter}`, '.dc1').replaceAll(`"${datacenter}"`, '"dc1"');
    },
  };
  const api = apiOf(url, show);
  return {
    prefix,
    manner,
    leave: async () => {
      const isOver = (name: string): boolean => name.includes(prefix) || isStale(name);
      await sweep(api, isOver);
      return (await inventory(api)).filter((line) => line.includes(prefix));
    },
  };
};

/** Names of HTTP headers are no names of ours. */
const headerNames = (dressed: unknown, plain: unknown): unknown => {
  if (Array.isArray(dressed)) return dressed.map((item, at) => headerNames(item, (plain as unknown[])[at]));
  if (typeof dressed !== 'object' || dressed === null) return dressed;
  return Object.fromEntries(
    Object.entries(dressed).map(([key, item]) => {
      const before = (plain as Record<string, unknown>)[key];
      return [key, key === 'Header' ? before : headerNames(item, before)];
    }),
  );
};

const isStale = (name: string): boolean => {
  const at = new RegExp(`${mark}([0-9a-z]+)-`).exec(name)?.[1];
  return at !== undefined && Number.parseInt(at, 36) < Date.now() - staleMs;
};

const list = async (api: Api, path: string): Promise<Record<string, string>[]> => {
  const answer = await api.get(path);
  if (answer.status !== 200 || answer.text.trim() === 'null') return [];
  return Object.values(answer.json());
};

const sweep = async (api: Api, isOver: (name: string) => boolean): Promise<void> => {
  for (const { ID } of await list(api, '/v1/agent/services'))
    if (isOver(ID!)) await api.put(`/v1/agent/service/deregister/${ID}`);
  for (const { CheckID } of await list(api, '/v1/agent/checks'))
    if (isOver(CheckID!)) await api.put(`/v1/agent/check/deregister/${encodeURIComponent(CheckID!)}`);
  for (const kind of kinds)
    for (const { Name } of await list(api, `/v1/config/${kind}`))
      if (isOver(Name!)) await api.delete(`/v1/config/${kind}/${Name}`);
  for (const { ID, SourceName, DestinationName } of await list(api, '/v1/connect/intentions'))
    if (isOver(`${SourceName} ${DestinationName}`)) await api.delete(`/v1/connect/intentions/${ID}`);
  for (const folder of ['', 'outrigger/'])
    for (const key of await list(api, `/v1/kv/${folder}${mark}?keys`))
      if (isOver(String(key))) await api.delete(`/v1/kv/${String(key)}`);
};

/** Everything that an agent holds and a stay could have touched, a line each. */
export const inventory = async (api: Api): Promise<string[]> => {
  const lines: string[] = [];
  for (const { ID } of await list(api, '/v1/agent/services')) lines.push(`service ${ID}`);
  for (const { CheckID, Status } of await list(api, '/v1/agent/checks'))
    lines.push(`check ${CheckID} ${Status}`);
  for (const kind of [...kinds, 'proxy-defaults'])
    for (const entry of await list(api, `/v1/config/${kind}`)) lines.push(`${kind} ${JSON.stringify(entry)}`);
  for (const { SourceName, DestinationName, Action } of await list(api, '/v1/connect/intentions'))
    lines.push(`intention ${SourceName} ${DestinationName} ${Action}`);
  for (const entry of await list(api, '/v1/kv/?recurse')) lines.push(`key ${entry['Key']} ${entry['Value']}`);
  lines.push(`root ${(await api.get('/v1/connect/ca/roots')).json().ActiveRootID}`);
  for (const { Name } of await list(api, '/v1/acl/policies')) lines.push(`policy ${Name}`);
  return lines.sort();
};
