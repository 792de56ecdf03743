import type { Snapshot } from './core/snapshot.ts';
import type { Ground } from './ground.ts';

/** Warns of each line that `find` finds in the latest snapshot, once for as long as it is found. */
export const tellOnce = (
  { kit, origins }: Pick<Ground, 'kit' | 'origins'>,
  find: (snapshot: Snapshot) => readonly string[],
): void => {
  let told: readonly string[] = [];
  const look = (snapshot: Snapshot): void => {
    const found = find(snapshot);
    for (const what of found) if (!told.includes(what)) kit.log.warn({}, what);
    told = found;
  };
  look(origins.assembly.snapshot.value);
  origins.assembly.snapshot.listen(look);
};
