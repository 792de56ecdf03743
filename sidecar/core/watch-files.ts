import { type FSWatcher, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Kit } from './kit.ts';
import { timer } from './wheel.ts';

/** Milliseconds between looks at the files; what the system's own notices add is speed, not certainty. */
const lookEveryMs = 1000;
/** Milliseconds of quiet before a change is told: editors and `kubectl` write in several steps. */
const settleMs = 50;

/**
 * Calls `changed` when one of the files has changed, appeared or gone, at the latest a second later. Answers with
 * what stops it. Watching never fails: a file that is missing is looked for until it comes.
 *
 * A file may be replaced by rename, and a mounted secret changes by a link above it: so it is the directories
 * that are watched, the files are looked at through all links, and a slow look goes on beside, because network
 * and overlay file systems send no notices.
 */
export const watchFiles = (
  paths: readonly string[],
  kit: Pick<Kit, 'wheel'>,
  changed: () => void,
): (() => void) => {
  let seen = look(paths);
  const compare = (): void => {
    const now = look(paths);
    if (now === seen) return;
    seen = now;
    kit.wheel.arm(settle, settleMs);
  };
  const settle = timer(() => {
    // Still being written: wait for quiet.
    const now = look(paths);
    if (now === seen) return changed();
    seen = now;
    kit.wheel.arm(settle, settleMs);
  });
  const again = timer(() => {
    compare();
    kit.wheel.arm(again, lookEveryMs);
  });
  kit.wheel.arm(again, lookEveryMs);
  const watchers = [...new Set(paths.map((path) => dirname(path)))].flatMap((path) => notice(path, compare));
  return () => {
    kit.wheel.disarm(again);
    kit.wheel.disarm(settle);
    for (const watcher of watchers) watcher.close();
  };
};

const look = (paths: readonly string[]): string =>
  paths
    .map((path) => {
      const found = statSync(path, { throwIfNoEntry: false, bigint: true });
      return found === undefined ? '-' : `${found.ino}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`;
    })
    .join(' ');

const notice = (directory: string, compare: () => void): FSWatcher[] => {
  try {
    const watcher = watch(directory, { persistent: false }, compare);
    // The directory went, or the system ran out of watches: the slow look remains.
    watcher.on('error', () => watcher.close());
    return [watcher];
  } catch {
    return [];
  }
};
