import type { Address, EndpointView } from '../core/endpoint.ts';
import type { Kit } from '../core/kit.ts';
import type { Dial } from '../core/link.ts';
import { policyOf } from '../core/policy.ts';
import type { ServiceView, Snapshot } from '../core/snapshot.ts';
import { type Timer, timer } from '../core/wheel.ts';
import { inPanic } from '../policies/panics.ts';
import { Endpoint } from './endpoint.ts';
import { type EndpointHome, type EndpointSettings, endpointDefaults } from './endpoint-home.ts';
import type { Health, Probe } from './probe.ts';
import { ServiceGate } from './service-gate.ts';
import { nearOf, zoneOf } from './zones.ts';

/**
 * Pool keeps the endpoints of all services while snapshots come and go: an instance that stays keeps its
 * connections and its gate, one that leaves drains, unless it is back within `restMs`.
 */
export class Pool implements EndpointHome {
  readonly kit: Kit;
  readonly dial: Dial;
  readonly probe: Probe;
  readonly settings: EndpointSettings;
  /** Ours; empty while nobody says. */
  #zone = '';
  #byView: WeakMap<ServiceView, readonly Endpoint[]> = new WeakMap();
  readonly #near: WeakMap<readonly EndpointView[], readonly number[] | null> = new WeakMap();
  readonly #gateByView: WeakMap<ServiceView, ServiceGate> = new WeakMap();
  /** By the name of their views. */
  #gates: Map<string, ServiceGate> = new Map();
  #byKey: Map<string, Endpoint> = new Map();
  #current: ReadonlyMap<string, readonly Endpoint[]> = new Map();
  readonly #leaving: Set<Endpoint> = new Set();
  /** Of those that leave, the ones that keep their connections for a while, and the end of it. */
  readonly #resting: Map<string, { readonly endpoint: Endpoint; readonly over: Timer }> = new Map();
  #closed = false;

  constructor(kit: Kit, dial: Dial, probe: Probe, settings: EndpointSettings = endpointDefaults) {
    this.kit = kit;
    this.dial = dial;
    this.probe = probe;
    this.settings = settings;
  }

  /** Takes over what a snapshot says; to be called with each, before calls can read it or in the same tick. */
  follow(snapshot: Snapshot): void {
    if (this.#closed) return;
    const byKey = new Map<string, Endpoint>();
    const gates = new Map<string, ServiceGate>();
    for (const view of [...snapshot.services.values(), ...snapshot.targets.values()]) {
      const endpoints = view.endpoints.map((address) => {
        const key = keyOf(address);
        const endpoint =
          this.#byKey.get(key) ?? byKey.get(key) ?? this.#revive(key) ?? this.#newcomer(address);
        endpoint.zone = zoneOf(address, this.#zone);
        endpoint.tune(policyOf(snapshot.policies, address.service).all);
        byKey.set(key, endpoint);
        return endpoint;
      });
      const before = this.#byView.get(view);
      const list = before?.every((endpoint, at) => endpoint === endpoints[at]) ? before : unique(endpoints);
      if (list !== before) {
        this.#byView.set(view, list);
        this.#near.set(list, nearOf(list));
      }
      const gate = gates.get(view.name) ?? this.#gates.get(view.name) ?? new ServiceGate(this.kit, view.name);
      gate.endpoints = list;
      gate.tune(policyOf(snapshot.policies, view.endpoints[0]?.service ?? view.name).all);
      this.#gateByView.set(view, gate);
      gates.set(view.name, gate);
    }
    for (const [name, gate] of this.#gates) if (!gates.has(name)) gate.close();
    this.#gates = gates;
    const old = this.#byKey;
    this.#byKey = byKey;
    this.#current = byService(byKey.values());
    for (const [key, endpoint] of old) if (byKey.get(key) !== endpoint) this.#leave(key, endpoint);
  }

  /**
   * The endpoints of a service as a snapshot saw it. The same list for the same view. One look-up and no
   * allocation: every attempt asks. A view that was never followed has none.
   */
  endpoints = (service: ServiceView): readonly Endpoint[] => this.#byView.get(service) ?? none;

  /** The gate of a service as a snapshot saw it; null for a view that was never followed. One look-up, as above. */
  breakers = (service: ServiceView): ServiceGate | null => this.#gateByView.get(service) ?? null;

  /** The gate of every service. */
  services(): readonly ServiceGate[] {
    return [...this.#gates.values()];
  }

  /** The positions of those of a list that stand in our zone; null where that makes no difference. One look-up. */
  near = (list: readonly EndpointView[]): readonly number[] | null => this.#near.get(list) ?? null;

  /** Says which zone is ours; holds from the next snapshot that is followed on. */
  stand(zone: string): void {
    this.#zone = zone;
    this.#byView = new WeakMap();
  }

  /** Services in panic: their calls go to endpoints whose gates are shut. */
  panics(): ReadonlySet<string> {
    const found = new Set<string>();
    for (const [service, endpoints] of this.#current) if (inPanic(endpoints)) found.add(service);
    return found;
  }

  /** The endpoint at an address of the latest snapshot. */
  endpointAt(address: Address): Endpoint | undefined {
    return this.#byKey.get(keyOf(address));
  }

  /** Whether calls to a service are in flight, streams included. */
  isBusy(service: string): boolean {
    return (this.#current.get(service) ?? none).some(({ load }) => load > 0);
  }

  /** Every endpoint, by service; those that leave and still have calls in flight come last. */
  list(): readonly Endpoint[] {
    return [...this.#byKey.values(), ...this.#leaving];
  }

  /** Closes everything now; later snapshots are ignored. */
  close(reason: string): void {
    this.#closed = true;
    for (const gate of this.#gates.values()) gate.close();
    for (const { over } of this.#resting.values()) this.kit.wheel.disarm(over);
    this.#resting.clear();
    for (const endpoint of this.list()) endpoint.close(reason);
    this.#byKey = new Map();
    this.#current = new Map();
  }

  mayShut(endpoint: Endpoint, most: number): boolean {
    const all = this.#current.get(endpoint.service) ?? none;
    let out = 1;
    let left = 0;
    for (const other of all) {
      if (other === endpoint) continue;
      if (other.out) out++;
      else if (other.available) left++;
    }
    return left > 0 && out * 100 <= most * all.length;
  }

  recovers(endpoint: Endpoint, health: Health | null): void {
    for (const gate of this.#gates.values()) if (gate.endpoints.includes(endpoint)) gate.recovers(health);
  }

  gone(endpoint: Endpoint): void {
    this.#leaving.delete(endpoint);
  }

  /** An instance that is new, and begins slowly where others carry the calls already. */
  #newcomer(address: Address): Endpoint {
    const endpoint = new Endpoint(this, address.service, address);
    if (this.#current.has(address.service)) endpoint.join();
    return endpoint;
  }

  /** Its connections stay for a while: a check that flaps must not cost a handshake each time. */
  #leave(key: string, endpoint: Endpoint): void {
    this.#leaving.add(endpoint);
    if (this.settings.restMs <= 0 || !endpoint.rest()) {
      endpoint.leave();
      return;
    }
    const over = timer(() => {
      this.#resting.delete(key);
      endpoint.leave();
    });
    this.#resting.set(key, { endpoint, over });
    this.kit.wheel.arm(over, this.settings.restMs);
  }

  /** The endpoint of an instance that is back soon enough. */
  #revive(key: string): Endpoint | undefined {
    const resting = this.#resting.get(key);
    if (resting === undefined) return undefined;
    this.kit.wheel.disarm(resting.over);
    this.#resting.delete(key);
    if (!resting.endpoint.revive()) return undefined;
    this.#leaving.delete(resting.endpoint);
    return resting.endpoint;
  }
}

const byService = (endpoints: Iterable<Endpoint>): ReadonlyMap<string, readonly Endpoint[]> => {
  const lists = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    const list = lists.get(endpoint.service);
    if (list === undefined) lists.set(endpoint.service, [endpoint]);
    else list.push(endpoint);
  }
  return lists;
};

const unique = (endpoints: readonly Endpoint[]): readonly Endpoint[] => [...new Set(endpoints)];

const none: readonly Endpoint[] = [];

/**
 * What makes two addresses the same instance: also the name that its certificate must carry. Not the view: who is in
 * a subset and in the whole service has one gate, and connections that outlast a change of routes.
 */
const keyOf = ({ id, host, port, service }: Address): string => `${service}\0${id}\0${host}\0${port}`;
