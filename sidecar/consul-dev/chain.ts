import { datacenter } from './blocking.ts';
import { compileRouter, compileSplitter } from './chain-branches.ts';
import type { ConfigEntries, ConfigEntry } from './config-entries.ts';
import { formatDuration } from './duration.ts';
import { Refusal } from './refusal.ts';

/** A node of a compiled chain, as JSON shows it. */
export interface ChainNode {
  readonly Type: 'router' | 'splitter' | 'resolver';
  readonly Name: string;
  readonly Routes?: readonly unknown[];
  Splits?: readonly Split[];
  readonly Resolver?: Readonly<Record<string, unknown>>;
}

/** One side of a splitter. */
export interface Split {
  readonly Weight: number;
  readonly NextNode: string;
}

/** Where calls end: a service, or a subset of it, in a datacenter. */
export interface Target {
  readonly service: string;
  readonly subset: string;
  readonly dc: string;
}

/** What a caller may say of the chain that it wants. */
export interface ChainOptions {
  readonly dc?: string;
  readonly protocol?: string;
  readonly connectTimeoutMs?: number;
}

/** Protocols whose calls can be routed one by one. */
const routed: readonly string[] = ['http', 'http2', 'grpc'];
const defaultConnectTimeout = '5s';

/**
 * Chain compiles what `/v1/discovery-chain/:service` answers: router, splitters, resolvers with their targets.
 * Ref: Consul, "Discovery chain"; the shape is that of 1.8.
 */
export class Chain {
  readonly entries: ConfigEntries;
  readonly service: string;
  readonly dc: string;
  readonly nodes: Record<string, ChainNode> = {};
  readonly #targets: Record<string, unknown> = {};
  readonly #trustDomain: string;
  readonly #options: ChainOptions;
  #protocol: string | null = null;

  constructor(service: string, entries: ConfigEntries, trustDomain: string, options: ChainOptions = {}) {
    this.service = service;
    this.entries = entries;
    this.dc = options.dc ?? datacenter;
    this.#trustDomain = trustDomain;
    this.#options = options;
  }

  /** The whole chain; refuses what contradicts itself with Consul's words. */
  compile(): Readonly<Record<string, unknown>> {
    const { protocol: told, connectTimeoutMs = 0 } = this.#options;
    const start = compileRouter(this) ?? this.splitterOrResolver(this.service);
    this.#flatten();
    this.#prune(start);
    const own = this.#protocol!;
    if (!routed.includes(own) && this.nodes[start]!.Type !== 'resolver')
      throw new Refusal(
        500,
        `discovery chain "${this.service}" uses a protocol "${own}" that does not permit advanced routing or splitting behavior`,
      );
    const customised = (told !== undefined && told !== own) || connectTimeoutMs > 0;
    return {
      ServiceName: this.service,
      Namespace: 'default',
      Datacenter: this.dc,
      ...(customised ? { CustomizationHash: hash(`${told ?? ''}/${connectTimeoutMs}`) } : {}),
      Protocol: told ?? own,
      StartNode: start,
      Nodes: sorted(this.nodes),
      Targets: sorted(this.#targets),
    };
  }

  /** The entry that divides a service's calls; none when the caller asked for a protocol that cannot be divided. */
  branch(kind: 'service-router' | 'service-splitter', service: string): ConfigEntry | undefined {
    const told = this.#options.protocol;
    return told === undefined || routed.includes(told) ? this.entries.get(kind, service) : undefined;
  }

  /** All services of one chain speak one protocol: the first decides, another is refused. */
  agree(service: string): void {
    const protocol = protocolOf(this.entries, service);
    this.#protocol ??= protocol;
    if (protocol !== this.#protocol)
      throw new Refusal(
        500,
        `discovery chain "${this.service}" uses inconsistent protocols; service "${service}" has "${protocol}" which is not "${this.#protocol}"`,
      );
  }

  /** A target by what a destination says of it; what it leaves out is this chain's own. */
  to({ Service = '', ServiceSubset = '', Datacenter = '' }: Readonly<Record<string, string>>): Target {
    return { service: Service || this.service, subset: ServiceSubset, dc: Datacenter || this.dc };
  }

  /** The splitter of a service, or else its resolver; answers the node's key. */
  splitterOrResolver(service: string): string {
    const key = `splitter:${service}.default`;
    if (this.nodes[key] !== undefined) return key;
    const entry = this.branch('service-splitter', service);
    if (entry === undefined) return this.resolver(this.to({ Service: service }));
    return compileSplitter(this, service, entry['Splits'] as Record<string, never>[]);
  }

  /** The node that resolves a target, after its redirects; answers its key. */
  resolver(wanted: Target): string {
    const target = this.#follow(wanted);
    const id = idOf(target);
    const key = `resolver:${id}`;
    if (this.nodes[key] !== undefined) return key;
    const entry = this.entries.get('service-resolver', target.service);
    const failover = this.#failover(target, id);
    const override = this.#options.connectTimeoutMs ?? 0;
    this.nodes[key] = {
      Type: 'resolver',
      Name: id,
      Resolver: {
        ConnectTimeout:
          override > 0 ? formatDuration(override) : (entry?.['ConnectTimeout'] ?? defaultConnectTimeout),
        ...(isDefault(entry) ? { Default: true } : {}),
        Target: id,
        ...(failover.length > 0 ? { Failover: { Targets: failover } } : {}),
      },
      ...(entry?.['LoadBalancer'] === undefined ? {} : { LoadBalancer: entry['LoadBalancer'] }),
    };
    this.#addTarget(target);
    return key;
  }

  /** Follows redirects and the default subset; refuses circles and subsets that there are none of. */
  #follow(wanted: Target): Target {
    const path: string[] = [];
    for (let target = wanted; ; ) {
      this.agree(target.service);
      const id = idOf(target);
      const circle = path.includes(id);
      path.push(id);
      if (circle) throw new Refusal(500, `detected circular resolver redirect: [${path.join(' -> ')}]`);
      const entry = this.entries.get('service-resolver', target.service);
      const next = rewritten(target, (entry?.['Redirect'] ?? {}) as Readonly<Record<string, string>>);
      if (idOf(next) !== id) {
        target = next;
        continue;
      }
      const subset = target.subset || ((entry?.['DefaultSubset'] as string | undefined) ?? '');
      const subsets = (entry?.['Subsets'] ?? {}) as object;
      if (subset !== '' && !Object.hasOwn(subsets, subset))
        throw new Refusal(500, `service "${target.service}" does not have a subset named "${subset}"`);
      return { ...target, subset };
    }
  }

  #failover(target: Target, id: string): string[] {
    const entry = this.entries.get('service-resolver', target.service);
    const all = (entry?.['Failover'] ?? {}) as Record<string, Record<string, string>>;
    const own = all[target.subset] ?? all['*'];
    if (own === undefined) return [];
    const dcs = (own['Datacenters'] as unknown as string[] | undefined) ?? [target.dc];
    const targets = dcs.map((Datacenter) => this.#follow(rewritten(target, { ...own, Datacenter })));
    const others = targets.filter((one) => idOf(one) !== id);
    for (const one of others) this.#addTarget(one);
    return others.map(idOf);
  }

  #addTarget(target: Target): void {
    const id = idOf(target);
    const entry = this.entries.get('service-resolver', target.service);
    const subsets = (entry?.['Subsets'] ?? {}) as Record<string, unknown>;
    const name = `${id}.internal.${this.#trustDomain}`;
    this.#targets[id] = {
      ID: id,
      Service: target.service,
      ...(target.subset === '' ? {} : { ServiceSubset: target.subset }),
      Namespace: 'default',
      Datacenter: target.dc,
      MeshGateway: gatewayOf(this.entries, target.service),
      Subset: subsets[target.subset] ?? {},
      SNI: name,
      Name: name,
    };
  }

  /** A splitter behind a splitter becomes part of it, its weights multiplied. */
  #flatten(): void {
    for (let changed = true; changed; ) {
      changed = false;
      for (const node of Object.values(this.nodes)) {
        const inner =
          node.Splits?.some(({ NextNode }) => this.nodes[NextNode]?.Splits !== undefined) ?? false;
        if (!inner) continue;
        changed = true;
        node.Splits = node.Splits!.flatMap((split) => {
          const next = this.nodes[split.NextNode]!.Splits;
          return (
            next?.map(({ Weight, NextNode }) => ({
              Weight: Math.round(split.Weight * Weight) / 100,
              NextNode,
            })) ?? [split]
          );
        });
      }
    }
  }

  /** Takes out nodes that nothing leads to any more. */
  #prune(start: string): void {
    const reached = new Set<string>();
    const visit = (key: string): void => {
      if (reached.has(key)) return;
      reached.add(key);
      const node = this.nodes[key]!;
      for (const next of [...(node.Splits ?? []), ...((node.Routes ?? []) as Split[])]) visit(next.NextNode);
    };
    visit(start);
    for (const key of Object.keys(this.nodes)) if (!reached.has(key)) delete this.nodes[key];
  }
}

const idOf = ({ service, subset, dc }: Target): string =>
  `${subset === '' ? '' : `${subset}.`}${service}.default.${dc}`;

const protocolOf = (entries: ConfigEntries, service: string): string => {
  const own = entries.get('service-defaults', service)?.['Protocol'];
  const all = entries.get('proxy-defaults', 'global')?.['Config'] as Record<string, unknown> | undefined;
  return String(own || all?.['protocol'] || 'tcp').toLowerCase();
};

/** How to leave a datacenter: the service's own way, else everybody's. */
const gatewayOf = (entries: ConfigEntries, service: string): unknown =>
  entries.get('service-defaults', service)?.['MeshGateway'] ??
  entries.get('proxy-defaults', 'global')?.['MeshGateway'] ??
  {};

/** A target as a redirect or a failover changes it; a subset is the old service's own, and does not go along. */
const rewritten = (target: Target, change: Readonly<Record<string, string>>): Target => {
  const service = change['Service'] || target.service;
  return {
    service,
    subset: change['ServiceSubset'] || (service === target.service ? target.subset : ''),
    dc: change['Datacenter'] || target.dc,
  };
};

/** Whether a resolver says nothing that there would not be without it. */
const isDefault = (entry: Readonly<Record<string, unknown>> | undefined): boolean =>
  entry === undefined ||
  ['DefaultSubset', 'Subsets', 'Redirect', 'Failover', 'ConnectTimeout', 'LoadBalancer'].every(
    (name) => entry[name] === undefined,
  );

const sorted = (record: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Eight digits that differ when the text does (FNV-1a); Consul's own are its secret too. */
const hash = (text: string): string => {
  let sum = 0x811c9dc5;
  for (const byte of Buffer.from(text)) sum = Math.imul(sum ^ byte, 0x01000193) >>> 0;
  return sum.toString(16).padStart(8, '0');
};
