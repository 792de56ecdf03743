import { createHash } from 'node:crypto';
import { healthOfId, healthOfName } from './agent-health.ts';
import { type Answer, type Ask, blockingOf, jsonBody, type Route } from './ask.ts';
import { datacenter } from './blocking.ts';
import { type CheckDefinition, readCheck, readService, type Status } from './definitions.ts';
import { compileFilter } from './filter.ts';
import { checkShape, serviceShape } from './filter-shapes.ts';
import type { Ledger } from './ledger.ts';
import { Refusal } from './refusal.ts';
import type { Registry } from './registry.ts';
import type { Time } from './time.ts';
import { agentService, checkView, type View } from './views.ts';

/** What the routes below read and write. */
export interface AgentParts {
  readonly registry: Registry;
  readonly ledger: Ledger;
  readonly time: Time;
  /** `host:port` where this agent answers. */
  address(): string;
}

const version = '1.8.7';
/** What a check may say of itself, in bytes, as Consul cuts it. */
const outputLimit = 4096;

/** `/v1/agent/...` but Connect's, and `/v1/status/...`: what is registered here. Ref: Consul API, "Agent". */
export const agentRoutes = (parts: AgentParts): Route[] => {
  const { registry } = parts;
  const put = (path: string, answer: (ask: Ask) => Answer): Route => ({ method: 'PUT', path, answer });
  const get = (path: string, answer: (ask: Ask) => Answer | Promise<Answer>): Route => ({
    method: 'GET',
    path,
    answer,
  });
  const beat = (status: Status) => (ask: Ask) => heard(registry, ask, status, ask.search.get('note') ?? '');
  const isText = (ask: Ask): boolean => ask.search.get('format') === 'text';
  return [
    get('/v1/agent/self', () => ({ json: self(parts) })),
    get('/v1/agent/members', () => ({
      json: [
        { Name: registry.node['Node'], Addr: '127.0.0.1', Port: 0, Tags: { dc: datacenter }, Status: 1 },
      ],
    })),
    get('/v1/status/leader', () => ({ json: parts.address() })),
    get('/v1/status/peers', () => ({ json: [parts.address()] })),
    get('/v1/agent/services', (ask) => ({
      json: keyed([...registry.services.values()].map(agentService), 'ID', ask, serviceShape),
    })),
    get('/v1/agent/checks', (ask) => ({
      json: keyed(
        [...registry.checks.values()].map((check) => ({
          ...checkView(check, registry),
          CreateIndex: 0,
          ModifyIndex: 0,
        })),
        'CheckID',
        ask,
        checkShape,
      ),
    })),
    get('/v1/agent/service/:id', (ask) => oneService(parts, ask)),
    get('/v1/agent/health/service/name/:name', (ask) =>
      healthOfName(registry, ask.parts['name']!, isText(ask)),
    ),
    get('/v1/agent/health/service/id/:id', (ask) => healthOfId(registry, ask.parts['id']!, isText(ask))),
    put('/v1/agent/service/register', (ask) => {
      registry.register(
        readService(jsonBody(ask, 'Request decode failed: ')),
        ask.search.has('replace-existing-checks'),
      );
      return {};
    }),
    put('/v1/agent/service/deregister/:id', (ask) => {
      registry.deregister(ask.parts['id']!);
      return {};
    }),
    put('/v1/agent/service/maintenance/:id', (ask) => maintain(registry, ask)),
    put('/v1/agent/check/register', (ask) => {
      const body = jsonBody(ask, 'Request decode failed: ');
      const check = readCheck(body, { id: '', name: '', serviceId: '', inService: false });
      if (check.name === '') throw new Refusal(400, 'Missing check name');
      registry.addCheck(check);
      return {};
    }),
    put('/v1/agent/check/deregister/:id', (ask) => {
      registry.removeCheck(ask.parts['id']!);
      return {};
    }),
    put('/v1/agent/check/pass/:id', beat('passing')),
    put('/v1/agent/check/warn/:id', beat('warning')),
    put('/v1/agent/check/fail/:id', beat('critical')),
    put('/v1/agent/check/update/:id', (ask) => {
      const body = jsonBody(ask, 'Request decode failed: ');
      const status = String(body['Status'] ?? '');
      if (status !== 'passing' && status !== 'warning' && status !== 'critical')
        throw new Refusal(400, `Invalid check status: '${status}'`);
      return heard(registry, ask, status, String(body['Output'] ?? ''));
    }),
  ];
};

const self = ({ registry, address }: AgentParts): View => ({
  Config: {
    Datacenter: datacenter,
    NodeName: registry.node['Node'],
    NodeID: registry.node['ID'],
    Revision: 'outrigger-development',
    Server: true,
    Version: version,
  },
  DebugConfig: { Address: address(), ConnectEnabled: true },
  Coord: null,
  Member: { Name: registry.node['Node'], Addr: '127.0.0.1', Status: 1 },
  Stats: {},
  Meta: registry.node['Meta'],
});

const heard = (registry: Registry, ask: Ask, status: Status, output: string): Answer => {
  const id = ask.parts['id']!;
  if (!registry.beat(id, status, output.slice(0, outputLimit)))
    throw new Refusal(500, `CheckID ${JSON.stringify(id)} does not have associated TTL`);
  return {};
};

const maintain = (registry: Registry, ask: Ask): Answer => {
  const id = ask.parts['id']!;
  const enable = ask.search.get('enable');
  if (enable === null || enable === '') throw new Refusal(400, 'Missing value for enable');
  if (!/^(?:true|false|1|0|t|f)$/i.test(enable))
    throw new Refusal(400, `Invalid value for enable: "${enable}"`);
  if (!registry.services.has(id))
    throw new Refusal(404, `No service registered with ID ${JSON.stringify(id)}`);
  const checkId = `_service_maintenance:${id}`;
  if (/^(?:false|0|f)$/i.test(enable)) registry.removeCheck(checkId);
  else if (!registry.checks.has(checkId))
    registry.addCheck(maintenance(checkId, id, ask.search.get('reason') ?? ''));
  return {};
};

const maintenance = (id: string, serviceId: string, reason: string): CheckDefinition => ({
  id,
  name: 'Service Maintenance Mode',
  notes:
    reason ||
    'Maintenance mode is enabled for this service, but no reason was provided. This is a default message.',
  kind: 'maintenance',
  serviceId,
  status: 'critical',
  target: '',
  tls: false,
  tlsSkipVerify: false,
  intervalMs: 0,
  timeoutMs: 0,
  deregisterAfterMs: 0,
  successBeforePassing: 0,
  failuresBeforeCritical: 0,
});

const keyed = (views: View[], key: string, ask: Ask, shape: typeof serviceShape): Record<string, View> => {
  const passes = compileFilter(ask.search.get('filter'), shape);
  return Object.fromEntries(views.filter(passes).map((view) => [String(view[key]), view]));
};

/** One service with the hash of what is shown; `?hash=` holds until it differs. */
const oneService = async ({ registry, ledger, time }: AgentParts, ask: Ask): Promise<Answer> => {
  const id = ask.parts['id']!;
  const hash = ask.search.get('hash') ?? '';
  const until = time.now() + blockingOf(ask.search).waitMs;
  for (;;) {
    const wait = ledger.wait((written) => written === `agent:${id}`);
    ask.onGone(wait.end);
    const service = registry.services.get(id);
    if (service === undefined) {
      wait.end();
      throw new Refusal(404, `unknown service ID: ${id}`);
    }
    const shown = agentService(service);
    const own = createHash('sha256').update(JSON.stringify(shown)).digest('hex').slice(0, 16);
    const why = own === hash ? await wait.over(until) : 'late';
    wait.end();
    if (why !== 'changed')
      return { headers: { 'X-Consul-Contenthash': own }, json: { ...shown, ContentHash: own } };
  }
};
