import { Cell } from './core/cell.ts';
import type { MethodFacts } from './core/contract.ts';
import { methodPolicy, type Policies, type Policy, policyOf, type ServicePolicy } from './core/policy.ts';
import { noRoutes } from './core/routes.ts';
import type { Access, ServiceView, Snapshot } from './core/snapshot.ts';
import type { Accept } from './transports/in-process.ts';
import { inProcessPlace } from './transports/in-process-link.ts';

/** What a service says of its methods, by path. */
export type Facts = ReadonlyMap<string, MethodFacts>;

/** This process cannot be kept from itself: intentions are about who comes from outside. */
const everybody: Access = Object.freeze({
  intentions: Object.freeze([]),
  allowByDefault: true,
  because: 'the caller is this very process',
});

/** Hosted is what runs in this process, and the mesh as calls to it see it. */
export class Hosted {
  readonly snapshots: Cell<Snapshot>;
  /** Who answers, by service. */
  readonly apps: Map<string, Accept> = new Map();
  /** The inbound side of each service. */
  readonly intakes: Map<string, Accept> = new Map();
  readonly close: () => void;
  readonly #mesh: Cell<Snapshot>;
  readonly #facts: Map<string, Facts> = new Map();
  #views: ReadonlyMap<string, ServiceView> = new Map();

  constructor(mesh: Cell<Snapshot>) {
    this.#mesh = mesh;
    this.snapshots = new Cell(this.#within());
    this.close = mesh.listen(() => this.#renew());
  }

  add(service: string, accept: Accept, facts: Facts): ServiceView {
    if (this.apps.has(service))
      throw new Error(`'${service}' is hosted here already: stop that one first, or give it another name`);
    this.apps.set(service, accept);
    this.#facts.set(service, facts);
    const address = { id: inProcessPlace, host: inProcessPlace, port: 0, service };
    const view: ServiceView = Object.freeze({ name: service, origin: inProcessPlace, endpoints: [address] });
    this.#views = new Map([...this.#views, [service, view]]);
    this.#renew();
    return view;
  }

  remove(service: string, accept: Accept): void {
    // Another may have taken the name since.
    if (this.apps.get(service) !== accept) return;
    this.apps.delete(service);
    this.intakes.delete(service);
    this.#facts.delete(service);
    this.#views = new Map([...this.#views].filter(([name]) => name !== service));
    this.#renew();
  }

  #renew(): void {
    this.snapshots.set(this.#within());
  }

  /** Policies and flags are the mesh's; services, and who may call them, are ours. */
  #within(): Snapshot {
    const mesh = this.#mesh.value;
    const asked = new Map([...this.#views.keys()].map((name): [string, boolean] => [name, true]));
    return Object.freeze({
      ...mesh,
      ...noRoutes,
      services: this.#views,
      asked,
      access: everybody,
      policies: this.#policies(mesh.policies),
    });
  }

  /** What the services say of their methods, below all that anybody says of them: as a contract. */
  #policies(policies: Policies): Policies {
    const services = new Map(policies.services);
    for (const [service, facts] of this.#facts)
      services.set(service, withFacts(service, policyOf(policies, service), facts));
    return Object.freeze({ ...policies, services });
  }
}

const withFacts = (service: string, { all, methods }: ServicePolicy, facts: Facts): ServicePolicy => {
  const told = new Map(methods);
  for (const [path, { unary, idempotent }] of facts) {
    const policy = methodPolicy({ all, methods }, path);
    const words: { -readonly [Word in keyof MethodFacts]?: boolean } = {};
    if (unary && !('unary' in policy.origins)) words.unary = true;
    if (idempotent && !('idempotent' in policy.origins)) words.idempotent = true;
    const said = Object.keys(words);
    if (said.length === 0) continue;
    const origin = `definition of ${service}`;
    const origins = { ...policy.origins, ...Object.fromEntries(said.map((word) => [word, origin])) };
    told.set(path, Object.freeze<Policy>({ ...policy, ...words, origins: Object.freeze(origins) }));
  }
  return Object.freeze({ all, methods: told.size === 0 ? null : told });
};
