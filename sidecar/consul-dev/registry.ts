import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { datacenter } from './blocking.ts';
import type { CheckDefinition, ServiceDefinition, ServiceFields, Status } from './definitions.ts';
import type { Ledger } from './ledger.ts';
import { Refusal } from './refusal.ts';
import type { Time } from './time.ts';

/** A registered service. Replaced whole when it changes. */
export interface Service {
  readonly fields: ServiceFields;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

/** A check with its present state, which the registry alone writes. */
export interface Check {
  readonly definition: CheckDefinition;
  readonly createIndex: number;
  status: Status;
  output: string;
  modifyIndex: number;
  /** Monotonic milliseconds; null while it is not critical. */
  criticalSince: number | null;
}

/** Starts what finds a check's status; the answer stops it. */
export type StartCheck = (check: Check) => () => void;

/** Instances and checks of one agent, each in the thousands: a development agent, not a datacenter. */
const mostServices = 5000;
const mostNodeChecks = 1000;
/** Alias checks may follow alias checks; two that follow each other must come to rest. */
const aliasDepth = 8;

/**
 * Registry holds the services and checks of the one node. The agent's and the catalog's views are read from it, so
 * that there is no time between a registration and its appearance.
 */
export class Registry {
  readonly services: Map<string, Service> = new Map();
  readonly checks: Map<string, Check> = new Map();
  readonly node: Readonly<Record<string, unknown>>;
  readonly nodeIndex: number;
  readonly #ledger: Ledger;
  readonly #time: Time;
  readonly #start: StartCheck;
  readonly #stops: Map<string, () => void> = new Map();
  /** Ids of checks by the service that they are of. */
  readonly #byService: Map<string, Set<string>> = new Map();
  #extinction = 0;

  constructor(ledger: Ledger, time: Time, start: StartCheck, nodeName: string) {
    this.#ledger = ledger;
    this.#time = time;
    this.#start = start;
    this.nodeIndex = ledger.write('nodes', 'services', 'checks');
    const address = '127.0.0.1';
    this.node = {
      ID: randomUUID(),
      Node: nodeName,
      Address: address,
      Datacenter: datacenter,
      TaggedAddresses: { lan: address, lan_ipv4: address, wan: address, wan_ipv4: address },
      Meta: { 'consul-network-segment': '' },
      CreateIndex: this.nodeIndex,
      ModifyIndex: this.nodeIndex,
    };
  }

  /** Registers or changes a service with its checks; checks that it had and did not name stay unless `replace`. */
  register({ service, checks }: ServiceDefinition, replace: boolean): void {
    const known = this.services.get(service.ID);
    if (known === undefined && this.services.size >= mostServices)
      throw new Refusal(500, `the development agent holds ${mostServices} services at most`);
    if (known !== undefined && known.fields.Service !== service.Service) this.deregister(service.ID);
    if (known === undefined || !isDeepStrictEqual(known.fields, service)) {
      // Written under the old destination too: a proxy that changed sides must leave the other's list.
      const index = this.#ledger.write(
        ...topicsOf(service),
        ...(known ? topicsOf(known.fields) : []),
        'services',
      );
      const createIndex = this.services.get(service.ID)?.createIndex ?? index;
      this.services.set(service.ID, { fields: service, createIndex, modifyIndex: index });
      if (known !== undefined) this.#forgetUnused(topicsOf(known.fields), index);
    }
    if (replace) {
      const named = new Set(checks.map((check) => check.id));
      for (const check of this.checksOf(service.ID))
        if (!named.has(check.definition.id)) this.removeCheck(check.definition.id);
    }
    for (const check of checks) this.addCheck(check);
    this.#follow(service.ID, 0);
  }

  /** Takes a service out with its checks; nothing happens when there is none. */
  deregister(id: string): void {
    const known = this.services.get(id);
    if (known === undefined) return;
    for (const check of this.checksOf(id)) this.#drop(check.definition.id);
    this.services.delete(id);
    const topics = topicsOf(known.fields);
    const index = this.#ledger.write(...topics, 'services', 'checks');
    this.#forgetUnused(topics, index);
    this.#follow(id, 0);
  }

  /** Adds or changes a check; one that is known keeps its status, as in Consul. */
  addCheck(definition: CheckDefinition): void {
    const { id, serviceId } = definition;
    if (serviceId !== '' && !this.services.has(serviceId))
      throw new Refusal(500, `ServiceID ${JSON.stringify(serviceId)} does not exist`);
    if (serviceId === '' && !this.checks.has(id) && this.checksOf('').length >= mostNodeChecks)
      throw new Refusal(500, `the development agent holds ${mostNodeChecks} checks of its node at most`);
    const known = this.checks.get(id);
    // An id that moves to another service leaves the first one's list.
    if (known !== undefined && known.definition.serviceId !== serviceId) this.removeCheck(id);
    this.#stops.get(id)?.();
    const status = known?.status ?? definition.status;
    const same = known !== undefined && isDeepStrictEqual(known.definition, definition);
    const index = same ? known.modifyIndex : this.#writeChecks(serviceId);
    const check: Check = {
      definition,
      createIndex: known?.createIndex ?? index,
      modifyIndex: index,
      status,
      output: known?.output ?? '',
      criticalSince: known?.criticalSince ?? (status === 'critical' ? this.#time.now() : null),
    };
    this.checks.set(id, check);
    this.#byService.set(serviceId, (this.#byService.get(serviceId) ?? new Set()).add(id));
    if (definition.kind === 'alias') this.#judge(check, 0);
    else this.#stops.set(id, this.#start(check));
    this.#follow(serviceId, 0);
  }

  /** Takes a check out; nothing happens when there is none. */
  removeCheck(id: string): void {
    const known = this.checks.get(id);
    if (known === undefined) return;
    this.#drop(id);
    this.#writeChecks(known.definition.serviceId);
    this.#follow(known.definition.serviceId, 0);
  }

  /** Sets what a check has found. A change of its output alone is no write: Consul too holds it back. */
  report(check: Check, status: Status, output: string): void {
    this.#report(check, status, output, 0);
  }

  /** Hears of a TTL check: sets its status and lets its time begin anew. False when there is no such TTL check. */
  beat(id: string, status: Status, output: string): boolean {
    const check = this.checks.get(id);
    if (check?.definition.kind !== 'ttl') return false;
    this.#stops.get(id)?.();
    this.#stops.set(id, this.#start(check));
    this.#report(check, status, output, 0);
    return true;
  }

  /** Takes out services that have been critical for longer than one of their checks allows; answers their ids. */
  reap(): string[] {
    const now = this.#time.now();
    const due = [...this.checks.values()]
      .filter(({ definition: { deregisterAfterMs, serviceId }, criticalSince }) => {
        const since = serviceId !== '' && deregisterAfterMs > 0 ? criticalSince : null;
        return since !== null && now - since > deregisterAfterMs;
      })
      .map(({ definition }) => definition.serviceId);
    const ids = [...new Set(due)];
    for (const id of ids) this.deregister(id);
    return ids;
  }

  /** Checks of one service; of the node for an empty id. */
  checksOf(serviceId: string): Check[] {
    return [...(this.#byService.get(serviceId) ?? [])].map((id) => this.checks.get(id)!);
  }

  /** Index of a query for one name: its own last write, or that of the last name which vanished. */
  indexOf(topic: string): number {
    const vanished =
      this.#extinction > 0 ? this.#extinction : this.#ledger.last('nodes', 'services', 'checks');
    return this.#ledger.at(topic) ?? vanished;
  }

  /** Stops every check. */
  close(): void {
    for (const stop of this.#stops.values()) stop();
    this.#stops.clear();
  }

  #report(check: Check, status: Status, output: string, depth: number): void {
    const changed = check.status !== status;
    if (!changed && check.output === output) return;
    check.output = output;
    check.status = status;
    if (changed) {
      check.criticalSince = status === 'critical' ? this.#time.now() : null;
      check.modifyIndex = this.#writeChecks(check.definition.serviceId);
    }
    this.#follow(check.definition.serviceId, depth + 1);
  }

  /** Forgets topics that no service is written under any more; names never seen answer with that index from now on. */
  #forgetUnused(topics: readonly string[], index: number): void {
    const used = new Set([...this.services.values()].flatMap(({ fields }) => topicsOf(fields)));
    for (const topic of topics) {
      if (used.has(topic)) continue;
      this.#ledger.forget(topic);
      if (!topic.startsWith('agent:')) this.#extinction = index;
    }
  }

  #drop(id: string): void {
    this.#stops.get(id)?.();
    this.#stops.delete(id);
    const serviceId = this.checks.get(id)?.definition.serviceId ?? '';
    this.checks.delete(id);
    const siblings = this.#byService.get(serviceId);
    siblings?.delete(id);
    if (siblings?.size === 0) this.#byService.delete(serviceId);
  }

  /** Counts a change of a service's checks; a check of the node belongs to every service. */
  #writeChecks(serviceId: string): number {
    const whose = serviceId === '' ? [...this.services.keys()] : [serviceId];
    const topics = whose.flatMap((id) => {
      const service = this.services.get(id);
      return service === undefined ? [] : topicsOf(service.fields);
    });
    return this.#ledger.write(...new Set(topics), 'checks');
  }

  /** Lets the alias checks of a service judge again. */
  #follow(serviceId: string, depth: number): void {
    if (depth > aliasDepth || serviceId === '') return;
    for (const check of this.checks.values())
      if (check.definition.kind === 'alias' && check.definition.target === serviceId)
        this.#judge(check, depth);
  }

  #judge(alias: Check, depth: number): void {
    const { target } = alias.definition;
    if (!this.services.has(target)) {
      this.#report(alias, 'critical', `Service ${target} could not be found on node `, depth);
      return;
    }
    const checks = this.checksOf(target);
    const worst =
      checks.find(({ status }) => status === 'critical') ?? checks.find(({ status }) => status === 'warning');
    if (worst === undefined)
      this.#report(alias, 'passing', checks.length === 0 ? 'No checks found.' : 'All checks passing.', depth);
    else
      this.#report(
        alias,
        worst.status,
        `Aliased check "${worst.definition.name}" failing: ${worst.output}`,
        depth,
      );
  }
}

/** What a change of the service is written under: its name, and whom it lets in by Connect. */
const topicsOf = (fields: ServiceFields): string[] => {
  const connect = connectName(fields);
  return [
    `service:${fields.Service}`,
    ...(connect === null ? [] : [`connect:${connect}`]),
    `agent:${fields.ID}`,
  ];
};

/** The service that an instance serves over mutual TLS; null when it is none. */
export const connectName = (fields: ServiceFields): string | null => {
  if (fields.Kind === 'connect-proxy') return String(fields.Proxy?.['DestinationServiceName']);
  return fields.Connect?.Native === true ? fields.Service : null;
};
