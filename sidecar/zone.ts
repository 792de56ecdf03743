import { ownZone } from './consul/own-zone.ts';
import type { Pool } from './endpoints/pool.ts';
import type { Ground } from './ground.ts';

/**
 * Lets endpoints of our zone come first once we know which it is: from the file, else from the node of our agent. Calls do
 * not wait for it.
 */
export const findZone = ({ settings, origins, kit }: Ground, pool: Pool, signal: AbortSignal): void => {
  const stand = (zone: string): void => {
    if (zone === '' || signal.aborted) return;
    pool.stand(zone);
    pool.follow(origins.assembly.snapshot.value);
  };
  const said = settings.service?.meta?.['zone'] ?? '';
  if (said !== '' || origins.door === null) stand(said);
  else void ownZone(origins.door, kit, signal).then(stand);
};
