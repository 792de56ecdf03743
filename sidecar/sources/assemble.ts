import { isDeepStrictEqual } from 'node:util';
import { Cell } from '../core/cell.ts';
import type { Kit } from '../core/kit.ts';
import { builtIn, type Policies, type PolicyValues } from '../core/policy.ts';
import { noRoutes } from '../core/routes.ts';
import type { Access, Discovery, ServiceView, Slice, Snapshot } from '../core/snapshot.ts';
import { timer } from '../core/wheel.ts';
import { checkSlice } from './check-slice.ts';
import { frozenAccess, frozenEntries, frozenMap, frozenServices, frozenWords } from './freeze.ts';
import { policyMerger } from './policies.ts';
import type { Source } from './source.ts';

/** What the mesh says, put together, and the way to ask for more. */
export interface Assembly {
  readonly snapshot: Cell<Snapshot>;
  readonly discovery: Discovery;
  /** Tells the sources how to find out whether calls to a service are in flight. */
  heed(isBusy: (service: string) => boolean): void;
  /** Stops listening to the sources, and closes them. */
  close(): void;
}

/** Milliseconds in which changes are gathered: a deployment touches many services at once. */
const gatherMs = 20;

/** What holds where no source says who may call: nobody. */
const nobody: Access = Object.freeze({
  intentions: Object.freeze([]),
  allowByDefault: false,
  because: 'no source says who may call',
});

/** What is put together. */
export interface AssembleOptions {
  readonly sources: readonly Source[];
  readonly kit: Kit;
  /** How calls are treated where no source says anything; default: the built-in policy. */
  readonly policy?: PolicyValues;
}

/**
 * Puts slices together into checked, frozen snapshots, one assignment per burst.
 *
 * - a later source overrides earlier ones whole, part by part; policies alone are merged from all;
 * - the first answer to a name that was wanted goes at once: a call waits for it;
 * - a slice that changes nothing makes no snapshot; what did not change keeps its identity;
 * - of a source whose slice is bad the last good one stays, counted and logged.
 */
export const assemble = ({ sources, kit, policy = builtIn }: AssembleOptions): Assembly => {
  const good: (Slice | null)[] = sources.map(() => null);
  const mergePolicies = policyMerger(policy);
  const snapshot = new Cell<Snapshot>(empty(kit, mergePolicies([], [])));

  const admit = (index: number, slice: Slice): void => {
    const why = checkSlice(slice);
    if (why === null) good[index] = slice;
    else {
      kit.meter.count('outrigger_slices_refused_total', slice.origin).value++;
      kit.log.error({ origin: slice.origin, cause: why }, 'a bad slice is not used; the last good one holds');
    }
  };
  const make = (): void => {
    kit.wheel.disarm(gather);
    const before = snapshot.value;
    const parts = merge(good);
    const services = frozenServices(before.services, parts.services);
    const asked = frozenWords(before.asked, parts.asked);
    const access = frozenAccess(before.access, parts.access);
    const flags = frozenWords(before.flags, parts.flags);
    const routes = frozenEntries(before.routes, parts.routes);
    const targets = frozenServices(before.targets, parts.targets);
    const unheeded = frozenEntries(before.unheeded, parts.unheeded);
    const { flagSet } = parts;
    const flagFaults = sameOr(before.flagFaults, parts.flagFaults);
    const policies = mergePolicies(
      good.flatMap((slice) => slice?.policies ?? []),
      good.flatMap((slice) => slice?.policyFaults ?? []),
    );
    const isSame =
      services === before.services &&
      asked === before.asked &&
      access === before.access &&
      flags === before.flags &&
      routes === before.routes &&
      targets === before.targets &&
      unheeded === before.unheeded &&
      flagSet === before.flagSet &&
      flagFaults === before.flagFaults &&
      policies === before.policies;
    if (isSame) return;
    const said = { services, asked, access, flags, flagSet, flagFaults, policies, routes, targets, unheeded };
    snapshot.set(Object.freeze({ version: before.version + 1, madeAt: kit.clock.now(), ...said }));
  };
  const gather = timer(make);
  const hear = (index: number, slice: Slice): void => {
    admit(index, slice);
    if (isAwaited(slice, snapshot.value)) make();
    else if (gather.slot < 0) kit.wheel.arm(gather, gatherMs);
  };

  for (const [index, { slice }] of sources.entries()) admit(index, slice.value);
  make();
  const deaf = sources.map(({ slice }, index) => slice.listen((value) => hear(index, value)));
  const version = kit.meter.count('outrigger_snapshot_version');
  const age = kit.meter.count('outrigger_snapshot_age_seconds');
  const forget = kit.meter.collect(() => {
    version.value = snapshot.value.version;
    age.value = (kit.clock.now() - snapshot.value.madeAt) / 1000;
  });

  return {
    snapshot,
    discovery: {
      want: (service) => {
        for (const source of sources) source.want(service);
      },
      describe: (service) => describer(sources)?.describe(service) ?? 'no source of services is set',
    },
    heed: (isBusy) => {
      for (const source of sources) source.heed?.(isBusy);
    },
    close: () => {
      kit.wheel.disarm(gather);
      forget();
      for (const stop of deaf) stop();
      for (const source of sources) source.close();
    },
  };
};

const empty = (kit: Kit, policies: Policies): Snapshot =>
  Object.freeze({
    version: 0,
    madeAt: kit.clock.now(),
    services: frozenMap<string, ServiceView>([]),
    asked: frozenMap<string, boolean>([]),
    access: nobody,
    flags: frozenMap<string, string>([]),
    flagSet: null,
    flagFaults: Object.freeze([]),
    policies,
    ...noRoutes,
  });

/** What sources say, the later over the earlier; policies are merged elsewhere. */
const merge = (slices: readonly (Slice | null)[]): Omit<Snapshot, 'version' | 'madeAt' | 'policies'> => {
  const whole: Slice = Object.assign({}, ...slices.filter((slice) => slice !== null));
  const { services = new Map(), asked = new Map(), access = nobody, flags = new Map() } = whole;
  const { flagSet = null } = whole;
  const flagFaults = slices.flatMap((slice) => slice?.flagFaults ?? []);
  const { routes = new Map(), targets = new Map(), unheeded = new Map() } = whole;
  // A name whose calls are all the same needs no entry, once the sources are put together.
  const divided = new Map([...routes].filter(([, table]) => table !== null));
  return { services, asked, access, flags, flagSet, flagFaults, routes: divided, targets, unheeded };
};

const sameOr = <T>(before: readonly T[], next: readonly T[]): readonly T[] =>
  isDeepStrictEqual(before, next) ? before : Object.freeze([...next]);

/** True when a call may be waiting for what `slice` says: a first answer about a name. */
const isAwaited = ({ asked }: Slice, { asked: known }: Snapshot): boolean => {
  if (asked !== undefined) for (const [name, seen] of asked) if (known.get(name) !== seen) return true;
  return false;
};

/** The source whose services count. */
const describer = (sources: readonly Source[]): Source | undefined =>
  sources.findLast(({ slice }) => slice.value.services !== undefined);
