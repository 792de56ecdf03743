import type { Opener } from '../wire/index.ts';
import { Cell } from './core/cell.ts';
import { Ledger } from './core/ledger.ts';
import { unruled } from './core/policy.ts';
import { noRoutes } from './core/routes.ts';
import type { Access, Discovery, ServiceView, Snapshot } from './core/snapshot.ts';
import { Pool } from './endpoints/pool.ts';
import { builtInPolicy, deadlinesOf, type Ground, speakerOf } from './ground.ts';
import { endpointLimits } from './limits.ts';
import { callTokens } from './policies/call-tokens.ts';
import type { Settings } from './settings/settings.ts';
import { inbound, outbound, refusing } from './stack.ts';
import { type Accept, InProcess, type Memory } from './transports/in-process.ts';
import { inProcessDialler, inProcessPlace } from './transports/in-process-link.ts';
import { Intake } from './transports/intake.ts';
import { RecordingBudget } from './transports/recording.ts';
import { Turns } from './transports/turns.ts';

/** What the way within stands on: a sidecar's ground, or as much of it as an app without a sidecar has. */
export interface WithinGround extends Pick<Ground, 'kit' | 'sabotage' | 'accounts' | 'progress'> {
  readonly settings: Pick<Settings, 'service' | 'limits' | 'faults' | 'log'>;
  readonly loop: Memory['loop'];
  /** What the mesh says; of it policies and flags hold within too. */
  readonly snapshots: Cell<Snapshot>;
  /** For the message of a call to a name that nobody hosts. */
  readonly discovery: Discovery;
}

/** The way of calls from our app to services that it hosts itself. */
export interface WayWithin {
  /** Where the app's own calls begin. */
  readonly caller: Opener;
  /** Whether calls to a name come to this process. */
  hosts(service: string): boolean;
  /** Takes calls to a name; the answer ends that. Throws when somebody takes them already. */
  host(service: string, accept: Accept): () => void;
  /** Ends everything now. */
  close(reason: string): void;
}

/** This process cannot be kept from itself: intentions are about who comes from outside. */
const everybody: Access = Object.freeze({
  intentions: Object.freeze([]),
  allowByDefault: true,
  because: 'the caller is this very process',
});

/**
 * Opens the way within: outbound stack, pool and inbound stack as between two sidecars, joined by streams in memory. What
 * a service sees, and what its callers see, is what they would over sockets.
 */
export const openWayWithin = (ground: WithinGround): WayWithin => {
  const { settings, kit, loop, accounts, progress, snapshots, sabotage } = ground;
  const { limits, faults, log } = settings;
  const memory: Memory = { turns: new Turns(), loop };
  const hosted = new Hosted(snapshots);
  const deadlines = deadlinesOf({ settings, sabotage });
  const caller = settings.service?.name ?? '';
  const common = { kit, speaker: speakerOf({ settings }), upstream: '', snapshots: hosted.snapshots };

  // To the app: what comes through the inbound stack is handed to whoever hosts the service.
  const apps = new Pool(
    kit,
    inProcessDialler({
      kit,
      memory,
      direction: { scheme: 'http', authority: 'caller', token: callTokens() },
      streams: limits['streams-app'],
      acceptOf: (service) => hosted.apps.get(service) ?? null,
    }),
    nobodyAsks,
    endpointLimits(limits),
  );
  const followApps = (snapshot: Snapshot): void =>
    apps.follow({ ...snapshot, policies: unruled(builtInPolicy(settings, sabotage)) });

  // Into the app's side: one inbound stack for each service, as each has a sidecar of its own elsewhere.
  const intoService = (view: ServiceView): Accept => {
    const endpoint = apps.endpointAt(view.endpoints[0]!)!;
    const stack = inbound(kit, {
      observe: log,
      progress,
      deadline: deadlines,
      faults,
      authorize: { service: view.name, anonymous: caller === '' },
    });
    const intake = new Intake({
      ...common,
      isApp: false,
      service: stack.to((call) =>
        endpoint.send({ call, endpoint, begunAt: call.arrival.arrivedAt, previous: 0 }),
      ),
      refusing: refusing(kit, 'inbound', log),
      ledger: new Ledger(accounts, 'inbound'),
      recordings: null,
    });
    return (stream, fields) => intake.take(stream, fields, null, false, caller);
  };

  const pool = new Pool(
    kit,
    inProcessDialler({
      kit,
      memory,
      direction: { scheme: 'http', authority: 'service', token: null },
      streams: limits['streams-peers'],
      acceptOf: (service) => hosted.intakes.get(service) ?? null,
    }),
    nobodyAsks,
    endpointLimits(limits),
  );
  const unfollow = [
    hosted.snapshots.listen(followApps),
    hosted.snapshots.listen((newer) => pool.follow(newer)),
  ];
  const { endpoints, breakers } = pool;
  const stack = outbound(
    kit,
    { snapshots: hosted.snapshots, discovery: ground.discovery, endpoints, breakers, accounts, progress },
    { observe: log, hops: { most: limits.hops }, deadline: deadlines, faults },
  );
  const intake = new Intake({
    ...common,
    isApp: true,
    service: stack.to((attempt) => attempt.endpoint.send(attempt)),
    refusing: refusing(kit, 'outbound', log),
    ledger: new Ledger(accounts, 'outbound'),
    recordings: {
      budget: new RecordingBudget(limits['recording-process'], loop.blocks),
      limitBytes: limits['recording-call'],
    },
  });

  const entrance = new InProcess(memory, (stream, fields) => intake.take(stream, fields, null, false, ''));
  return {
    caller: entrance,
    hosts: (service) => hosted.apps.has(service),
    host: (service, accept) => {
      const view = hosted.add(service, accept);
      hosted.intakes.set(service, intoService(view));
      return () => hosted.remove(service);
    },
    close: (reason) => {
      for (const stop of unfollow) stop();
      hosted.close();
      entrance.break(reason);
      pool.close(reason);
      apps.close(reason);
    },
  };
};

const nobodyAsks = async (): Promise<'unknown'> => 'unknown';

/** What is hosted here, and the mesh as calls to it see it. */
class Hosted {
  readonly snapshots: Cell<Snapshot>;
  /** Who answers, by service. */
  readonly apps: Map<string, Accept> = new Map();
  /** The inbound side of each service. */
  readonly intakes: Map<string, Accept> = new Map();
  readonly close: () => void;
  readonly #mesh: Cell<Snapshot>;
  #views: ReadonlyMap<string, ServiceView> = new Map();

  constructor(mesh: Cell<Snapshot>) {
    this.#mesh = mesh;
    this.snapshots = new Cell(this.#within());
    this.close = mesh.listen(() => this.#renew());
  }

  add(service: string, accept: Accept): ServiceView {
    if (this.apps.has(service))
      throw new Error(`'${service}' is hosted here already: stop that one first, or give it another name`);
    this.apps.set(service, accept);
    const address = { id: inProcessPlace, host: inProcessPlace, port: 0, service };
    const view: ServiceView = Object.freeze({ name: service, origin: inProcessPlace, endpoints: [address] });
    this.#views = new Map([...this.#views, [service, view]]);
    this.#renew();
    return view;
  }

  remove(service: string): void {
    if (!this.apps.delete(service)) return;
    this.intakes.delete(service);
    this.#views = new Map([...this.#views].filter(([name]) => name !== service));
    this.#renew();
  }

  #renew(): void {
    this.snapshots.set(this.#within());
  }

  /** Policies and flags are the mesh's; services, and who may call them, are ours. */
  #within(): Snapshot {
    const asked = new Map([...this.#views.keys()].map((name): [string, boolean] => [name, true]));
    return Object.freeze({
      ...this.#mesh.value,
      ...noRoutes,
      services: this.#views,
      asked,
      access: everybody,
    });
  }
}
