import { Cell } from '../core/cell.ts';
import type { Kit } from '../core/kit.ts';
import type { Access, Discovery, ServiceView, Slice, Snapshot } from '../core/snapshot.ts';
import { timer } from '../core/wheel.ts';
import { checkSlice } from './check-slice.ts';
import { frozenAccess, frozenMap, frozenServices, frozenWords } from './freeze.ts';
import type { Source } from './source.ts';

/** What the mesh says, put together, and the way to ask for more. */
export interface Assembly {
  readonly snapshot: Cell<Snapshot>;
  readonly discovery: Discovery;
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

/**
 * Puts slices together into checked, frozen snapshots, one assignment per burst.
 *
 * - a later source overrides earlier ones whole, part by part;
 * - the first answer to a name that was wanted goes at once: a call waits for it;
 * - a slice that changes nothing makes no snapshot; what did not change keeps its identity;
 * - of a source whose slice is bad the last good one stays, counted and logged.
 */
export const assemble = ({ sources, kit }: { sources: readonly Source[]; kit: Kit }): Assembly => {
  const good: (Slice | null)[] = sources.map(() => null);
  const snapshot = new Cell<Snapshot>(empty(kit));

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
    const isSame =
      services === before.services &&
      asked === before.asked &&
      access === before.access &&
      flags === before.flags;
    if (isSame) return;
    const madeAt = kit.clock.now();
    snapshot.set(Object.freeze({ version: before.version + 1, madeAt, services, asked, access, flags }));
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
    close: () => {
      kit.wheel.disarm(gather);
      forget();
      for (const stop of deaf) stop();
      for (const source of sources) source.close();
    },
  };
};

const empty = (kit: Kit): Snapshot =>
  Object.freeze({
    version: 0,
    madeAt: kit.clock.now(),
    services: frozenMap<string, ServiceView>([]),
    asked: frozenMap<string, boolean>([]),
    access: nobody,
    flags: frozenMap<string, string>([]),
  });

const merge = (
  slices: readonly (Slice | null)[],
): Pick<Snapshot, 'services' | 'asked' | 'access' | 'flags'> => {
  const whole: Slice = Object.assign({}, ...slices.filter((slice) => slice !== null));
  const { services = new Map(), asked = new Map(), access = nobody, flags = new Map() } = whole;
  return { services, asked, access, flags };
};

/** True when a call may be waiting for what `slice` says: a first answer about a name. */
const isAwaited = ({ asked }: Slice, { asked: known }: Snapshot): boolean => {
  if (asked !== undefined) for (const [name, seen] of asked) if (known.get(name) !== seen) return true;
  return false;
};

/** The source whose services count. */
const describer = (sources: readonly Source[]): Source | undefined =>
  sources.findLast(({ slice }) => slice.value.services !== undefined);
