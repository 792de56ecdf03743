import type { Answer } from './ask.ts';
import type { Registry, Service } from './registry.ts';
import { agentService, checkView } from './views.ts';

/** Statuses of a service as load balancers are told them. */
const codes: Readonly<Record<string, number>> = {
  passing: 200,
  warning: 429,
  critical: 503,
  maintenance: 503,
};

/** What one service is worth: maintenance before critical before warning before passing. */
const aggregate = (registry: Registry, { fields }: Service): string => {
  const checks = [...registry.checksOf(''), ...registry.checksOf(fields.ID)];
  if (checks.some((check) => check.definition.kind === 'maintenance')) return 'maintenance';
  const has = (status: string): boolean => checks.some((check) => check.status === status);
  return ['critical', 'warning'].find(has) ?? 'passing';
};

const view = (registry: Registry, service: Service) => ({
  AggregatedStatus: aggregate(registry, service),
  Service: agentService(service),
  Checks: [...registry.checksOf(''), ...registry.checksOf(service.fields.ID)].map((check) =>
    checkView(check, registry),
  ),
});

const told = (status: string, json: unknown, text: boolean): Answer => ({
  status: codes[status]!,
  headers: { 'X-Consul-Reason': status, ...(text ? { 'Content-Type': 'text/plain' } : {}) },
  ...(text ? { raw: status } : { json }),
});

/** `/v1/agent/health/service/id/:id`: how well one instance is, also as a status code. */
export const healthOfId = (registry: Registry, id: string, text: boolean): Answer => {
  const service = registry.services.get(id);
  if (service === undefined)
    return {
      status: 404,
      headers: {
        'X-Consul-Reason': `ServiceId ${encodeURI(id)} not found`,
        ...(text ? { 'Content-Type': 'text/plain' } : {}),
      },
      ...(text
        ? { raw: 'critical' }
        : { json: { AggregatedStatus: 'critical', Service: null, Checks: null } }),
    };
  const shown = view(registry, service);
  return told(shown.AggregatedStatus, shown, text);
};

/** `/v1/agent/health/service/name/:name`: the same for all instances of a name here, by the worst. */
export const healthOfName = (registry: Registry, name: string, text: boolean): Answer => {
  const found = [...registry.services.values()].filter(({ fields }) => fields.Service === name);
  if (found.length === 0)
    return {
      status: 404,
      headers: {
        'X-Consul-Reason': `ServiceName ${encodeURI(name)} Not Found`,
        ...(text ? { 'Content-Type': 'text/plain' } : {}),
      },
      ...(text ? { raw: 'critical' } : { json: [] }),
    };
  const shown = found.map((service) => view(registry, service));
  const worst = ['critical', 'maintenance', 'warning'].find((status) =>
    shown.some((one) => one.AggregatedStatus === status),
  );
  return told(worst ?? 'passing', shown, text);
};
