import { Cell } from '../core/cell.ts';
import type { Kit } from '../core/kit.ts';
import type { Slice } from '../core/snapshot.ts';
import { timer } from '../core/wheel.ts';
import { sourceOver } from '../sources/over.ts';
import type { Source } from '../sources/source.ts';
import { type Kept, oldestMs } from './file.ts';

/** A source that begins with what an earlier run of us knew. */
export interface RememberingSource extends Source {
  /** True while anything that was kept is in force. */
  inUse(): boolean;
  /** True once the source has said anything about what was kept, or nothing of it is left. */
  isHeard(): boolean;
  /** What the source says, and of what was kept all that it has neither confirmed nor replaced. */
  whole(): Slice;
}

/** How long the source may take for its first answer before what was kept stands in, milliseconds. */
const graceMs = 1000;
/** How often the source is asked how it does, milliseconds. */
const lookEveryMs = 50;
/** How long the source must have been well before what it has not confirmed is forgotten, milliseconds. */
const wellMs = 60_000;

/**
 * The slice of `source`, and where it has no answer yet, what was kept: as soon as it fails, or has said nothing at all
 * for a second. Each answer takes the place of what was kept about its name, for good, but for one: a Consul that came
 * back empty knows nobody until all have registered again, so that a name of which it never saw an instance keeps those
 * that we knew. What no answer has confirmed is forgotten a minute after the source is well, and when it is too old.
 */
export const rememberingSource = (
  part: string,
  source: Source,
  kept: Kept<Slice>,
  kit: Kit,
): RememberingSource => {
  const left = leftOf(kept.value);
  const slice = new Cell<Slice>(source.slice.value);
  const begunAt = kit.clock.now();
  let wellSince = begunAt;
  let state: 'waiting' | 'in use' | 'over' = 'waiting';

  let isHeard = false;
  const whole = (): Slice => filled(source.slice.value, left);
  const say = (): void => {
    isHeard = confirm(left, source.slice.value) || isHeard;
    slice.set(state === 'in use' ? whole() : source.slice.value);
  };
  const enter = (next: typeof state, message: string): void => {
    state = next;
    kit.meter.count('outrigger_state_in_use', part).value = next === 'in use' ? 1 : 0;
    kit.log.info({ savedAt: new Date(kept.savedAt).toISOString() }, message);
    say();
  };
  const look = timer(() => {
    const now = kit.clock.now();
    const isTroubled = source.trouble() !== null;
    if (isTroubled) wellSince = now;
    if (left.size === 0) {
      if (state === 'in use') enter('over', 'all that was kept is confirmed or replaced');
      return;
    }
    if (state === 'waiting' && (isTroubled || (!isHeard && now - begunAt >= graceMs)))
      enter('in use', 'a cold start: what was kept of the mesh stands in until Consul answers');
    if (now - wellSince >= wellMs || kit.clock.wall() - kept.savedAt > oldestMs) {
      left.clear();
      if (state === 'in use') enter('over', 'what was kept and not confirmed is forgotten');
      return;
    }
    kit.wheel.arm(look, lookEveryMs);
  });
  const deaf = source.slice.listen(say);
  // Names with routes are no services.
  const names = new Set([...(kept.value.services?.keys() ?? []), ...(kept.value.asked?.keys() ?? [])]);
  for (const name of names) source.want(name);
  kit.wheel.arm(look, lookEveryMs);
  return sourceOver(source, {
    slice,
    inUse: () => state === 'in use',
    isHeard: () => isHeard || left.size === 0,
    whole,
    close: () => {
      kit.wheel.disarm(look);
      deaf();
      source.close();
    },
  });
};

/** What is left of a kept slice: its parts, maps with the entries that nobody has confirmed or replaced. */
type Left = Map<string, unknown>;

const leftOf = (slice: Slice): Left =>
  new Map(
    Object.entries(slice)
      .filter(([part, value]) => part !== 'origin' && !(value instanceof Map && value.size === 0))
      .map(([part, value]) => [part, value instanceof Map ? new Map(value) : value]),
  );

/** Takes off what the source now says itself; true when that was anything. */
const confirm = (left: Left, said: Slice): boolean => {
  let isHeard = false;
  // An answer about a name is about all that was said of it: routes take the place of instances, and the other way round.
  const doubted = doubtedOf(left, said);
  const names = [...(said.asked?.keys() ?? [])].filter((name) => !doubted.has(name));
  for (const [part, kept] of left) {
    if (!(kept instanceof Map)) continue;
    for (const name of names) isHeard = kept.delete(name) || isHeard;
    if (kept.size === 0) left.delete(part);
  }
  for (const [part, value] of Object.entries(said)) {
    const kept = left.get(part);
    const isAwaited = part === 'access' && said.access?.awaited === true;
    if (kept === undefined || isAwaited) continue;
    if (kept instanceof Map && value instanceof Map) {
      for (const key of value.keys()) if (!doubted.has(key)) isHeard = kept.delete(key) || isHeard;
      if (kept.size === 0) left.delete(part);
    } else isHeard = left.delete(part) || isHeard;
  }
  return isHeard;
};

/** Names that had instances, and of which the source says that it never saw one. */
const doubtedOf = (left: Left, said: Slice): ReadonlySet<unknown> => {
  const kept = left.get('services') as Slice['services'];
  const doubted = new Set<unknown>();
  for (const [name, seen] of said.asked ?? [])
    if (!seen && (kept?.get(name)?.endpoints.length ?? 0) > 0) doubted.add(name);
  return doubted;
};

const filled = (said: Slice, left: Left): Slice => {
  const whole: Record<string, unknown> = { ...said };
  for (const [part, kept] of left) {
    const now = whole[part];
    whole[part] = kept instanceof Map && now instanceof Map ? new Map([...now, ...kept]) : kept;
  }
  return whole as unknown as Slice;
};
