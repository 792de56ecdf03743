/** What a selector may name: a plain value, a map of values, a list, or an object with fields. */
export type Shape =
  | 'string'
  | 'int'
  | 'bool'
  | { readonly map: Shape }
  | { readonly list: Shape }
  | { readonly fields: Readonly<Record<string, Shape>> };

const weights: Shape = { fields: { Passing: 'int', Warning: 'int' } };
const addresses: Shape = { map: { fields: { Address: 'string', Port: 'int' } } };
const texts: Shape = { map: 'string' };
const tags: Shape = { list: 'string' };
const gateway: Shape = { fields: { Mode: 'string' } };
const connect: Shape = { fields: { Native: 'bool' } };

const upstream: Shape = {
  fields: {
    DestinationType: 'string',
    DestinationNamespace: 'string',
    DestinationName: 'string',
    Datacenter: 'string',
    LocalBindAddress: 'string',
    LocalBindPort: 'int',
    MeshGateway: gateway,
  },
};

const proxy: Shape = {
  fields: {
    DestinationServiceName: 'string',
    DestinationServiceID: 'string',
    LocalServiceAddress: 'string',
    LocalServicePort: 'int',
    Upstreams: { list: upstream },
    MeshGateway: gateway,
  },
};

/** A service as `/v1/agent/services` shows it. */
export const serviceShape: Shape = {
  fields: {
    Kind: 'string',
    ID: 'string',
    Service: 'string',
    Tags: tags,
    Address: 'string',
    TaggedAddresses: addresses,
    Meta: texts,
    Port: 'int',
    Weights: weights,
    EnableTagOverride: 'bool',
    Proxy: proxy,
    Connect: connect,
  },
};

/** A check as `/v1/agent/checks` and `/v1/health/checks` show it. */
export const checkShape: Shape = {
  fields: {
    Node: 'string',
    CheckID: 'string',
    Name: 'string',
    Status: 'string',
    Notes: 'string',
    Output: 'string',
    ServiceID: 'string',
    ServiceName: 'string',
    ServiceTags: tags,
    Type: 'string',
  },
};

const nodeFields: Readonly<Record<string, Shape>> = {
  ID: 'string',
  Node: 'string',
  Address: 'string',
  Datacenter: 'string',
  TaggedAddresses: texts,
};

/** A node as `/v1/catalog/nodes` shows it. */
export const nodeShape: Shape = { fields: { ...nodeFields, Meta: texts } };

/** An instance as `/v1/health/service/:service` shows it. */
export const healthShape: Shape = {
  fields: { Node: nodeShape, Service: serviceShape, Checks: { list: checkShape } },
};

/** An instance as `/v1/catalog/service/:service` shows it. */
export const catalogShape: Shape = {
  fields: {
    ...nodeFields,
    NodeMeta: texts,
    ServiceKind: 'string',
    ServiceID: 'string',
    ServiceName: 'string',
    ServiceTags: tags,
    ServiceAddress: 'string',
    ServiceTaggedAddresses: addresses,
    ServiceWeights: weights,
    ServiceMeta: texts,
    ServicePort: 'int',
    ServiceEnableTagOverride: 'bool',
    ServiceProxy: proxy,
    ServiceConnect: connect,
  },
};
