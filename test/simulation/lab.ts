import { Cell } from '../../sidecar/core/cell.ts';
import type { Address } from '../../sidecar/core/endpoint.ts';
import type { Life } from '../../sidecar/core/life.ts';
import { builtIn, type PolicyRule, type PolicyWords } from '../../sidecar/core/policy.ts';
import { noRoutes } from '../../sidecar/core/routes.ts';
import type { ServiceView, Snapshot } from '../../sidecar/core/snapshot.ts';
import { Code } from '../../sidecar/core/status.ts';
import { policyMerger } from '../../sidecar/sources/policies.ts';
import { chance } from './chance.ts';
import type { Exchange } from './exchange.ts';
import type { Fault, Span } from './faults.ts';
import { Instance } from './instance.ts';
import { constant, type Latency } from './latency.ts';
import { SimulatedLink } from './link.ts';
import type { Run, Sum } from './run.ts';
import { SimulatedSidecar, type World } from './sidecar.ts';
import { VirtualTime } from './time.ts';

/** A service of the run. */
export interface ServicePlan {
  readonly instances: number;
  /** How long an app works on a call; default 5 ms. */
  readonly latency?: Latency;
  /** Calls that one instance works on at one time; default: no bound. */
  readonly capacity?: number;
  /** Another service that it calls in the middle of each call, through a sidecar of its own. */
  readonly calls?: string;
}

/** What a run is made of. */
export interface LabOptions {
  /** The same seed is the same run. */
  readonly seed: number;
  readonly services: Readonly<Record<string, ServicePlan>>;
  /** Sidecars whose apps call; default 1. */
  readonly callers?: number;
  /** What is said of all calls, over what is built in: also how a defence is taken away. */
  readonly policy?: PolicyWords;
}

/** Calls that every caller makes. */
export interface LoadPlan {
  /** Of each caller, at random moments. */
  readonly perSecond: number;
  readonly forMs: number;
  readonly fromMs?: number;
  /** Default: the first service. */
  readonly service?: string;
  readonly method?: string;
  /** The method's contract says that it may be executed twice; default false. */
  readonly idempotent?: boolean;
  /** Default a second; null: no deadline. */
  readonly timeoutMs?: number | null;
}

/** How long calls may go on after the load has ended, milliseconds of virtual time. */
const graceMs = 600_000;

/** Prepares a run. Nothing happens before `run`. */
export const simulate = (options: LabOptions): Lab => new Lab(options);

/** Lab is services, their callers and what goes wrong with them, in one process and in virtual time. */
export class Lab {
  readonly #options: LabOptions;
  readonly #time: VirtualTime = new VirtualTime();
  readonly #services: Map<string, Instance[]> = new Map();
  readonly #byId: Map<string, Instance> = new Map();
  readonly #loads: Required<LoadPlan>[] = [];
  readonly #away: Set<Instance> = new Set();
  #version = 0;

  constructor(options: LabOptions) {
    this.#options = options;
    for (const [name, plan] of Object.entries(options.services)) {
      const { latency = constant(5), capacity = Number.POSITIVE_INFINITY } = plan;
      const instances = Array.from({ length: plan.instances }, (_, at) => {
        const address = addressOf(name, at);
        const random = chance(options.seed, address.id);
        const instance = new Instance(address, this.#time, { latency, capacity }, random);
        this.#byId.set(address.id, instance);
        return instance;
      });
      this.#services.set(name, instances);
    }
  }

  /** Lets an instance, counted from 0, go wrong. */
  faulty(service: string, instance: number, fault: Fault, span: Span = {}): void {
    this.#instance(service, instance).faulty(fault, span);
  }

  /** Lets an instance be absent from what the mesh knows, as if it had deregistered and come again. */
  away(service: string, instance: number, { fromMs = 0, toMs = Number.POSITIVE_INFINITY }: Span): void {
    const one = this.#instance(service, instance);
    this.#time.at(fromMs, () => this.#say(() => this.#away.add(one)));
    if (toMs < Number.POSITIVE_INFINITY) this.#time.at(toMs, () => this.#say(() => this.#away.delete(one)));
  }

  /** Adds calls; several loads go side by side. */
  load(plan: LoadPlan): void {
    const [first] = this.#services.keys();
    const { service = first!, method = `/lab.${service}/Get`, timeoutMs = 1000 } = plan;
    this.#loads.push({ fromMs: 0, idempotent: false, ...plan, service, method, timeoutMs });
  }

  /** Lets it all happen. */
  async run(): Promise<Run> {
    const { seed, callers = 1 } = this.#options;
    const world: World = {
      time: this.#time,
      snapshots: this.#snapshots,
      dial: (to, events, connectMs) => new SimulatedLink(this.#byId.get(to.id)!, events, connectMs),
      calls: [],
      ejections: [],
    };
    this.#snapshots.set(this.#snapshot());
    const sidecar = (name: string): SimulatedSidecar => new SimulatedSidecar(name, world, chance(seed, name));
    const apps = Array.from({ length: callers }, (_, at) => sidecar(`caller-${at + 1}`));
    const between = this.#chain(sidecar);
    for (const app of apps) for (const plan of this.#loads) this.#drive(app, plan);
    const endMs = Math.max(...this.#loads.map(({ fromMs, forMs }) => fromMs + forMs));
    await this.#time.run(endMs);
    const running = world.calls.filter(({ status }) => status === null);
    await this.#time.run(endMs + graceMs, () => running.every(({ status }) => status !== null));
    for (const each of [...apps, ...between]) each.close();
    // What was under way, such as a probe, hears of the end by its promise.
    await new Promise((heard) => setImmediate(heard));
    return {
      seed,
      calls: world.calls,
      ejections: world.ejections,
      reached: this.#counted(({ calls }) => calls),
      probes: this.#counted(({ checks }) => checks),
      sum: this.#sum(world),
    };
  }

  readonly #snapshots: Cell<Snapshot> = new Cell(nothingKnown);

  /** Gives a sidecar to each instance that calls others. */
  #chain(sidecar: (name: string) => SimulatedSidecar): SimulatedSidecar[] {
    const made: SimulatedSidecar[] = [];
    for (const [name, { calls }] of Object.entries(this.#options.services)) {
      if (calls === undefined) continue;
      for (const instance of this.#services.get(name)!) {
        const own = sidecar(instance.address.id);
        made.push(own);
        instance.onward = (exchange, done) => {
          exchange.onward = onward(own, calls, exchange, this.#time.now(), done);
        };
      }
    }
    return made;
  }

  /** Plans one call, which plans the next. */
  #drive(app: SimulatedSidecar, { perSecond, forMs, fromMs, ...request }: Required<LoadPlan>): void {
    const random = chance(this.#options.seed, `load of ${app.name} on ${request.method}`);
    const next = (): number => (-Math.log(1 - random()) * 1000) / perSecond;
    const make = (at: number): void => {
      if (at >= fromMs + forMs) return;
      this.#time.at(at, () => {
        app.call(request);
        make(at + next());
      });
    };
    make(fromMs + next());
  }

  #instance(service: string, at: number): Instance {
    const instance = this.#services.get(service)?.[at];
    if (instance === undefined) throw new Error(`there is no instance ${at} of '${service}'`);
    return instance;
  }

  #say(change: () => unknown): void {
    change();
    this.#snapshots.set(this.#snapshot());
  }

  #snapshot(): Snapshot {
    const services = new Map<string, ServiceView>();
    for (const [name, instances] of this.#services) {
      const endpoints = instances.filter((each) => !this.#away.has(each)).map(({ address }) => address);
      const before = this.#snapshots.value.services.get(name);
      const same = before?.endpoints.length === endpoints.length;
      services.set(name, same ? before : { name, endpoints, origin: 'static' });
    }
    const { policies } = this.#version === 0 ? this.#policies() : this.#snapshots.value;
    return Object.freeze({ ...nothingKnown, version: ++this.#version, services, policies });
  }

  #policies(): Pick<Snapshot, 'policies'> {
    const { policy = {} } = this.#options;
    const rules: PolicyRule[] = [
      { layer: 'file', service: '*', method: '', words: policy, origin: 'the run' },
    ];
    for (const { service, method, idempotent } of this.#loads)
      rules.push({ layer: 'contract', service, method, words: { idempotent }, origin: 'the load' });
    return { policies: policyMerger(builtIn)(rules, []) };
  }

  #counted(count: (instance: Instance) => number): ReadonlyMap<string, number> {
    return new Map([...this.#byId].map(([id, instance]) => [id, count(instance)]));
  }

  #sum({ calls }: World): Sum {
    const over = calls.filter(({ status }) => status !== null);
    const cancelled = over.filter(({ status }) => status!.code === Code.CANCELLED).length;
    const timers = this.#time.wheel.size;
    return { started: calls.length, finished: over.length - cancelled, cancelled, timers };
  }
}

const addressOf = (service: string, at: number): Address => {
  const host = `${service}-${at}`;
  return { id: `${host}:50051`, host, port: 50051, service };
};

/** An app calls the next service with what its caller left it of time, and says what it was told. */
const onward = (
  sidecar: SimulatedSidecar,
  service: string,
  { attempt }: Exchange,
  now: number,
  done: Parameters<SimulatedSidecar['call']>[1],
): Life => {
  const { deadlineAt, method } = attempt.call;
  const timeoutMs = deadlineAt === Number.POSITIVE_INFINITY ? null : deadlineAt - now;
  return sidecar.call({ service, method, timeoutMs }, done);
};

const nothingKnown: Snapshot = Object.freeze({
  version: 0,
  madeAt: 0,
  services: new Map(),
  asked: new Map(),
  access: { intentions: [], allowByDefault: true, because: 'the run says so' },
  flags: new Map(),
  flagSet: null,
  flagFaults: [],
  policies: policyMerger(builtIn)([], []),
  ...noRoutes,
});
