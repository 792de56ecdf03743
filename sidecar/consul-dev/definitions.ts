import { type Body, type Fields, readFields } from './body.ts';
import { durationOf } from './duration.ts';
import { Refusal } from './refusal.ts';

/** States of a check, from good to bad. */
export type Status = 'passing' | 'warning' | 'critical';

/** How a check finds its status. */
type CheckKind = 'ttl' | 'tcp' | 'grpc' | 'alias' | 'maintenance';

/** A check as it was asked for. */
export interface CheckDefinition {
  readonly id: string;
  readonly name: string;
  readonly notes: string;
  readonly kind: CheckKind;
  /** Empty: of the node, and so of every service on it. */
  readonly serviceId: string;
  readonly status: Status;
  /** For tcp `host:port`, for grpc `host:port[/service]`, for alias the other service's id; else empty. */
  readonly target: string;
  readonly tls: boolean;
  readonly tlsSkipVerify: boolean;
  /** Milliseconds; the TTL, or the time between probes. */
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Milliseconds in critical after which the service is taken out; 0: never. */
  readonly deregisterAfterMs: number;
  readonly successBeforePassing: number;
  readonly failuresBeforeCritical: number;
}

/** A service as it was asked for: what JSON shows of it, and its checks. */
export interface ServiceDefinition {
  readonly service: ServiceFields;
  readonly checks: readonly CheckDefinition[];
}

/** A service in Consul's own names. */
export interface ServiceFields {
  readonly Kind?: string;
  readonly ID: string;
  readonly Service: string;
  readonly Tags: readonly string[];
  readonly Meta: Readonly<Record<string, string>>;
  readonly Port: number;
  readonly Address: string;
  readonly TaggedAddresses?: unknown;
  readonly Weights: Readonly<Record<string, number>>;
  readonly EnableTagOverride: boolean;
  readonly Proxy?: Body;
  readonly Connect?: { readonly Native: true };
}

const checkFields: Fields = {
  ID: 'text',
  CheckID: 'text',
  Name: 'text',
  Notes: 'text',
  ServiceID: 'text',
  Status: 'text',
  TTL: 'duration',
  TCP: 'text',
  GRPC: 'text',
  GRPCUseTLS: 'flag',
  TLSSkipVerify: 'flag',
  Interval: 'duration',
  Timeout: 'duration',
  AliasService: 'text',
  AliasNode: 'text',
  DeregisterCriticalServiceAfter: 'duration',
  SuccessBeforePassing: 'number',
  FailuresBeforeCritical: 'number',
  OutputMaxSize: 'number',
  Namespace: 'text',
  Token: 'text',
  // Known, so that their refusal can say more than "unknown field".
  HTTP: 'text',
  Method: 'text',
  Header: 'object',
  Body: 'text',
  Args: 'texts',
  ScriptArgs: 'texts',
  DockerContainerID: 'text',
  Shell: 'text',
};

const serviceFields: Fields = {
  ID: 'text',
  Name: 'text',
  Kind: 'text',
  Tags: 'texts',
  Meta: 'map',
  Port: 'number',
  Address: 'text',
  TaggedAddresses: 'object',
  Weights: 'object',
  EnableTagOverride: 'flag',
  Check: 'object',
  Checks: 'objects',
  Proxy: 'object',
  Connect: 'object',
  Namespace: 'text',
  Token: 'text',
};

const proxyFields: Fields = {
  DestinationServiceName: 'text',
  DestinationServiceID: 'text',
  LocalServiceAddress: 'text',
  LocalServicePort: 'number',
  Config: 'object',
  Upstreams: 'objects',
  MeshGateway: 'object',
  Expose: 'object',
  Mode: 'text',
  TransparentProxy: 'object',
};

const statuses: readonly string[] = ['passing', 'warning', 'critical'];
const leastDeregisterMs = 60_000;
const defaultTimeoutMs = 10_000;
/** Checks of one service: each may hold a timer and a socket. */
const checksPerService = 100;

/** Reads the body of `/v1/agent/service/register`; refuses in Consul's words. */
export const readService = (value: unknown): ServiceDefinition => {
  const body = readFields(value, serviceFields);
  const name = (body['Name'] ?? '') as string;
  if (name === '') throw new Refusal(400, 'Missing service name');
  const id = (body['ID'] as string) || name;
  const kind = (body['Kind'] ?? '') as string;
  const proxy = body['Proxy'] === undefined ? undefined : readFields(body['Proxy'], proxyFields);
  const connect =
    body['Connect'] === undefined
      ? {}
      : readFields(body['Connect'], { Native: 'flag', SidecarService: 'object' });
  if (connect['SidecarService'] !== undefined)
    throw new Refusal(
      400,
      'the development agent knows no Connect.SidecarService; register the connect-proxy itself',
    );
  const port = (body['Port'] ?? 0) as number;
  if (kind === 'connect-proxy') checkProxy(proxy, port);
  const asked = [
    ...((body['Checks'] ?? []) as object[]),
    ...(body['Check'] ? [body['Check'] as object] : []),
  ];
  const real = asked.filter((check) => Object.keys(check).length > 0);
  if (real.length > checksPerService)
    throw new Refusal(400, `Invalid check: more than ${checksPerService} checks of one service`);
  const checks = real.map((check, at) =>
    readCheck(check, {
      id: real.length === 1 ? `service:${id}` : `service:${id}:${at + 1}`,
      name: `Service '${name}' check`,
      serviceId: id,
      inService: true,
    }),
  );
  const address = (body['Address'] ?? '') as string;
  const service: ServiceFields = {
    ...(kind === '' ? {} : { Kind: kind }),
    ID: id,
    Service: name,
    Tags: (body['Tags'] ?? []) as string[],
    Meta: (body['Meta'] ?? {}) as Record<string, string>,
    Port: port,
    Address: address,
    ...taggedAddresses(body['TaggedAddresses'], address, port),
    Weights: { Passing: 1, Warning: 1, ...(body['Weights'] as Record<string, number> | undefined) },
    EnableTagOverride: (body['EnableTagOverride'] ?? false) as boolean,
    ...(proxy === undefined ? {} : { Proxy: { MeshGateway: {}, Expose: {}, ...proxy } }),
    ...(connect['Native'] === true ? { Connect: { Native: true } } : {}),
  };
  return { service, checks };
};

/** What a check takes when it does not say so itself. */
export interface CheckDefaults {
  readonly id: string;
  readonly name: string;
  readonly serviceId: string;
  /** Whether it came inside a service: changes the words of refusals. */
  readonly inService: boolean;
}

/** Reads one check; refuses in Consul's words. */
export const readCheck = (value: unknown, defaults: CheckDefaults): CheckDefinition => {
  const body = readFields(value, checkFields);
  const refuse = (text: string) => new Refusal(400, defaults.inService ? `Invalid check: ${text}` : text);
  const text = (name: string) => (body[name] ?? '') as string;
  const name = text('Name') || defaults.name;
  const id = text('CheckID') || text('ID') || defaults.id || name;
  for (const unknown of ['HTTP', 'Args', 'ScriptArgs', 'DockerContainerID', 'AliasNode'])
    if (body[unknown] !== undefined && body[unknown] !== '')
      throw refuse(`the development agent has no ${unknown} checks; use TTL, TCP, GRPC or AliasService`);
  const status = text('Status') || 'critical';
  if (!statuses.includes(status))
    throw new Refusal(400, "Status for checks must 'passing', 'warning', 'critical'");
  const kind = kindOf(body);
  const ttlMs = durationOf(body['TTL']);
  const intervalMs = durationOf(body['Interval']);
  if ((kind === 'tcp' || kind === 'grpc') && intervalMs <= 0)
    throw refuse('Interval must be > 0 for Script, HTTP, or TCP checks');
  if (kind === 'ttl' && ttlMs <= 0) throw refuse('TTL must be > 0 for TTL checks');
  const after = durationOf(body['DeregisterCriticalServiceAfter']);
  return {
    id,
    name,
    notes: text('Notes'),
    kind,
    serviceId: defaults.serviceId || text('ServiceID'),
    status: status as Status,
    target: text('AliasService') || text('TCP') || text('GRPC'),
    tls: body['GRPCUseTLS'] === true,
    tlsSkipVerify: body['TLSSkipVerify'] === true,
    intervalMs: kind === 'ttl' ? ttlMs : intervalMs,
    timeoutMs: durationOf(body['Timeout']) || defaultTimeoutMs,
    deregisterAfterMs: after > 0 ? Math.max(after, leastDeregisterMs) : 0,
    successBeforePassing: (body['SuccessBeforePassing'] ?? 0) as number,
    failuresBeforeCritical: (body['FailuresBeforeCritical'] ?? 0) as number,
  };
};

const kindOf = (body: Body): CheckKind => {
  if (body['AliasService']) return 'alias';
  if (body['TCP']) return 'tcp';
  return body['GRPC'] ? 'grpc' : 'ttl';
};

const checkProxy = (proxy: Body | undefined, port: number): void => {
  const faults = [
    ...(proxy?.['DestinationServiceName']
      ? []
      : ['Proxy.DestinationServiceName must be non-empty for Connect proxy services']),
    ...(port > 0 ? [] : ['Port must be set for a Connect proxy']),
  ];
  if (faults.length > 0)
    throw new Refusal(
      400,
      `${faults.length} error${faults.length > 1 ? 's' : ''} occurred:\n${faults.map((one) => `\t* ${one}\n`).join('')}\n`,
    );
};

/** Consul gives an IP address its place among the tagged ones; a name or nothing gets none. */
const taggedAddresses = (given: unknown, address: string, port: number): { TaggedAddresses?: unknown } => {
  const family = /^\d+(?:\.\d+){3}$/.test(address) ? 'ipv4' : address.includes(':') ? 'ipv6' : '';
  const own = { Address: address, Port: port };
  if (family === '') return given === undefined ? {} : { TaggedAddresses: given };
  return { TaggedAddresses: { [`lan_${family}`]: own, [`wan_${family}`]: own, ...(given as object) } };
};
