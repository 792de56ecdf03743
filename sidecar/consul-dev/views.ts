import { type Check, connectName, type Registry, type Service } from './registry.ts';

/** A record as JSON shows it. */
export type View = Readonly<Record<string, unknown>>;

/** A service as `/v1/agent/services` shows it. */
export const agentService = ({ fields }: Service): View => ({ ...fields });

/** A check as the agent and the catalog show it. */
export const checkView = (check: Check, registry: Registry): View => {
  const { definition } = check;
  const service = registry.services.get(definition.serviceId)?.fields;
  return {
    Node: registry.node['Node'],
    CheckID: definition.id,
    Name: definition.name,
    Status: check.status,
    Notes: definition.notes,
    Output: check.output,
    ServiceID: definition.serviceId,
    ServiceName: service?.Service ?? '',
    ServiceTags: service?.Tags ?? [],
    Type: definition.kind,
    Definition: {},
    CreateIndex: check.createIndex,
    ModifyIndex: check.modifyIndex,
  };
};

/** The check that a cluster's gossip keeps of each node: of a node alone with itself it always passes. */
export const nodeAlive = (registry: Registry): View => ({
  Node: registry.node['Node'],
  CheckID: 'serfHealth',
  Name: 'Serf Health Status',
  Status: 'passing',
  Notes: '',
  Output: 'Agent alive and reachable',
  ServiceID: '',
  ServiceName: '',
  ServiceTags: [],
  Type: '',
  Definition: {},
  CreateIndex: registry.nodeIndex,
  ModifyIndex: registry.nodeIndex,
});

/** An instance as `/v1/health/service/:service` shows it. */
export const healthView = (service: Service, registry: Registry): View => {
  const { fields, createIndex, modifyIndex } = service;
  const checks = [...registry.checksOf(''), ...registry.checksOf(fields.ID)];
  return {
    Node: registry.node,
    Service: {
      ...fields,
      // A real agent's catalog answers null here and {} in the agent's own list.
      Meta: Object.keys(fields.Meta).length === 0 ? null : fields.Meta,
      Connect: fields.Connect ?? {},
      CreateIndex: createIndex,
      ModifyIndex: modifyIndex,
    },
    Checks: [nodeAlive(registry), ...checks.map((check) => checkView(check, registry))],
  };
};

/** An instance as `/v1/catalog/service/:service` shows it. */
export const catalogView = ({ fields, createIndex, modifyIndex }: Service, { node }: Registry): View => ({
  ID: node['ID'],
  Node: node['Node'],
  Address: node['Address'],
  Datacenter: node['Datacenter'],
  TaggedAddresses: node['TaggedAddresses'],
  NodeMeta: node['Meta'],
  ...(fields.Kind === undefined ? {} : { ServiceKind: fields.Kind }),
  ServiceID: fields.ID,
  ServiceName: fields.Service,
  ServiceTags: fields.Tags,
  ServiceAddress: fields.Address,
  ...(fields.TaggedAddresses === undefined ? {} : { ServiceTaggedAddresses: fields.TaggedAddresses }),
  ServiceWeights: fields.Weights,
  ServiceMeta: fields.Meta,
  ServicePort: fields.Port,
  ServiceEnableTagOverride: fields.EnableTagOverride,
  ServiceProxy: fields.Proxy ?? { MeshGateway: {}, Expose: {} },
  ServiceConnect: fields.Connect ?? {},
  CreateIndex: createIndex,
  ModifyIndex: modifyIndex,
});

/** Instances of a name, or those that serve it by Connect; in the order of their ids. */
export const instances = (registry: Registry, name: string, byConnect: boolean): Service[] =>
  [...registry.services.values()]
    .filter(({ fields }) => (byConnect ? connectName(fields) : fields.Service) === name)
    .sort((a, b) => (a.fields.ID < b.fields.ID ? -1 : 1));
