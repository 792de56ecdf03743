import type { ServiceDefinition } from './door.ts';
import type { RegistrationOptions } from './registration.ts';

/**
 * What is known of the app when it is registered. `unasked`: the agent's check finds out. `starting`: it has not said
 * yet that it serves, and is critical until it does. `serving`: it has, and is passing from the first moment.
 */
export type AppState = 'unasked' | 'starting' | 'serving';

/** What is sent to the agent, and which checks we owe it. */
export interface Definitions {
  readonly serviceId: string;
  readonly proxyId: string;
  /** The service is ours to register, and the agent checks the app itself. */
  readonly hasAppCheck: boolean;
  /** Service first, unless somebody else registers it; then the proxy. `more`: metadata of the proxy alone. */
  definitions(app: AppState, more: Readonly<Record<string, string>>): readonly ServiceDefinition[];
  /** Ids of the TTL checks that we must beat. */
  readonly ttlChecks: readonly string[];
}

/**
 * The net below explicit deregistration: a sidecar that was killed goes after this. Consul's own minimum.
 * A sick app whose sidecar lives stays in the list, as critical.
 */
const reapAfter = '1m';
/** The same for a service whose own check has failed for long: its sidecar is gone too, else it would come again. */
const reapServiceAfter = '10m';

/** Builds both registrations. Ids stay the same over a restart, and differ between instances on one host. */
export const serviceDefinitions = (
  options: Pick<RegistrationOptions, 'service' | 'proxy'> & {
    readonly ttlMs: number;
    readonly checkEveryMs: number;
  },
): Definitions => {
  const { service, proxy, ttlMs } = options;
  // The peers port tells instances on one host apart; the advertised host tells those behind one agent apart.
  const place = [service.name, proxy.advertise ?? '', String(proxy.port)].filter((part) => part !== '');
  const own = place.join('-').replace(/[^A-Za-z0-9.-]/g, '-');
  const serviceId = service.registeredAs ?? own;
  const proxyId = `${own}-sidecar-proxy`;
  const ttl = `${ttlMs}ms`;
  const ttlCheck = (of: string): ServiceDefinition => ({
    CheckID: `${of}:ttl`,
    Name: 'Outrigger says that it is alive',
    TTL: ttl,
    DeregisterCriticalServiceAfter: reapAfter,
  });
  const where = proxy.advertise === null ? {} : { Address: proxy.advertise };
  const tags = service.tags === undefined ? {} : { Tags: service.tags };
  const local = service.address;
  const hasCheck = service.check !== 'none' && local !== null;
  const check = (state: AppState): ServiceDefinition => {
    if (!hasCheck) return ttlCheck(serviceId);
    if (state === 'starting') return startingCheck(serviceId, ttl);
    return { ...appCheck(options, serviceId), ...(state === 'serving' && { Status: 'passing' }) };
  };
  const app = (state: AppState): ServiceDefinition => ({
    ID: serviceId,
    Name: service.name,
    Port: local?.port ?? 0,
    ...where,
    ...(service.meta !== undefined && { Meta: service.meta }),
    ...tags,
    Checks: [check(state)],
  });
  const sidecar = (more: Readonly<Record<string, string>>): ServiceDefinition => ({
    ID: proxyId,
    Name: `${service.name}-sidecar-proxy`,
    Kind: 'connect-proxy',
    Port: proxy.port,
    ...where,
    Meta: { ...service.meta, outrigger: '1', ...more },
    ...tags,
    Proxy: {
      DestinationServiceName: service.name,
      DestinationServiceID: serviceId,
      ...(local === null ? {} : { LocalServiceAddress: local.host, LocalServicePort: local.port }),
    },
    Checks: [
      // Without it a sick app stays in health/connect?passing.
      { CheckID: `${proxyId}:app`, Name: `${service.name} is well`, AliasService: serviceId },
      ttlCheck(proxyId),
    ],
  });
  const ours = service.registeredAs === undefined;
  const ttlOwners = ours && !hasCheck ? [serviceId, proxyId] : [proxyId];
  return {
    serviceId,
    proxyId,
    hasAppCheck: ours && hasCheck,
    definitions: (state, more) => (ours ? [app(state), sidecar(more)] : [sidecar(more)]),
    ttlChecks: ttlOwners.map((owner) => `${owner}:ttl`),
  };
};

/** Nobody beats it: it is critical until the app's own check, which has another id, takes its place. */
const startingCheck = (serviceId: string, ttl: string): ServiceDefinition => ({
  CheckID: `${serviceId}:starting`,
  Name: 'the app has not said yet that it serves',
  TTL: ttl,
  DeregisterCriticalServiceAfter: reapServiceAfter,
});

const appCheck = (
  { service, checkEveryMs }: Parameters<typeof serviceDefinitions>[0],
  serviceId: string,
): ServiceDefinition => {
  const { host, port } = service.address!;
  const target = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  return {
    CheckID: `${serviceId}:app`,
    Name: service.check === 'grpc' ? 'grpc.health.v1 of the app' : 'the app takes connections',
    ...(service.check === 'grpc' ? { GRPC: target, GRPCUseTLS: false } : { TCP: target }),
    Interval: `${checkEveryMs}ms`,
    Timeout: `${Math.max(checkEveryMs, 1000)}ms`,
    DeregisterCriticalServiceAfter: reapServiceAfter,
  };
};
