import type { Opener } from '../wire/index.ts';
import type { Cell } from './core/cell.ts';
import { Ledger } from './core/ledger.ts';
import { unruled } from './core/policy.ts';
import type { Discovery, ServiceView, Snapshot } from './core/snapshot.ts';
import { Pool } from './endpoints/pool.ts';
import { builtInPolicy, deadlinesOf, flagsOf, type Ground, speakerOf } from './ground.ts';
import { type Facts, Hosted } from './hosted.ts';
import { endpointLimits } from './limits.ts';
import { callTokens } from './policies/call-tokens.ts';
import { plainName } from './policies/service-name.ts';
import type { Settings } from './settings/settings.ts';
import { inbound, outbound, refusing } from './stack.ts';
import { type Accept, InProcess, type Memory } from './transports/in-process.ts';
import { inProcessDialler } from './transports/in-process-link.ts';
import { Intake } from './transports/intake.ts';
import { RecordingBudget } from './transports/recording.ts';
import { Turns } from './transports/turns.ts';

/** What the way within stands on: a sidecar's ground, or as much of it as an app without a sidecar has. */
export interface WithinGround
  extends Pick<Ground, 'kit' | 'sabotage' | 'accounts' | 'progress' | 'tracing' | 'trees'> {
  readonly settings: Pick<Settings, 'service' | 'limits' | 'faults' | 'log' | 'flagging'>;
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
  /**
   * Takes calls to a name; the answer ends that. `facts`: what the service says of its methods. Throws when somebody takes
   * them already, and for what no call can name.
   */
  host(service: string, accept: Accept, facts?: Facts): () => void;
  /** Ends everything now. */
  close(reason: string): void;
}

/**
 * Opens the way within: outbound stack, pool and inbound stack as between two sidecars, joined by streams in memory. What
 * a service sees, and what its callers see, is what they would over sockets.
 */
export const openWayWithin = (ground: WithinGround): WayWithin => {
  const { settings, kit, loop, accounts, progress, tracing, trees, snapshots, sabotage } = ground;
  const { limits, faults, log } = settings;
  const memory: Memory = { turns: new Turns(), loop };
  // A name that is hosted anew must not meet who hosted it before.
  const endpointSettings = { ...endpointLimits(limits), restMs: 0 };
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
    endpointSettings,
  );
  const followApps = (snapshot: Snapshot): void =>
    apps.follow({ ...snapshot, policies: unruled(builtInPolicy(settings, sabotage)) });

  // Into the app's side: one inbound stack for each service, as each has a sidecar of its own elsewhere.
  const intoService = (view: ServiceView): Accept => {
    const endpoint = apps.endpointAt(view.endpoints[0]!)!;
    const stack = inbound(kit, {
      tracing,
      observe: log,
      progress,
      trees,
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
      refusing: refusing(kit, 'inbound', log, tracing),
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
    endpointSettings,
  );
  const unfollow = [
    hosted.snapshots.listen(followApps),
    hosted.snapshots.listen((newer) => pool.follow(newer)),
  ];
  const { endpoints, breakers } = pool;
  const stack = outbound(
    kit,
    {
      snapshots: hosted.snapshots,
      discovery: ground.discovery,
      ...{ endpoints, breakers, accounts, progress, tracing, trees },
    },
    { observe: log, hops: { most: limits.hops }, deadline: deadlines, faults, flags: flagsOf({ settings }) },
  );
  const intake = new Intake({
    ...common,
    isApp: true,
    service: stack.to((attempt) => attempt.endpoint.send(attempt)),
    refusing: refusing(kit, 'outbound', log, tracing),
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
    host: (service, accept, facts = new Map()) => {
      if (plainName(service).name !== service)
        throw new Error(
          `'${service}' cannot be hosted: a service is named by letters, digits, dots, underscores and dashes`,
        );
      const view = hosted.add(service, accept, facts);
      hosted.intakes.set(service, intoService(view));
      return () => hosted.remove(service, accept);
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
