import type { ChainName, Start } from './chain.ts';
import { startEnvoy } from './envoy.ts';
import { startHaproxy } from './haproxy.ts';
import { startOutrigger, startTraced } from './outrigger.ts';
import { onPath } from './program.ts';
import { startNothing, startRelay } from './relay.ts';

/** Every chain by name, in the order of the table. */
export const chains: ReadonlyMap<ChainName, Start> = new Map<ChainName, Start>([
  ['outrigger', startOutrigger],
  ['outrigger-traced', startTraced],
  ['envoy', startEnvoy],
  ['haproxy', startHaproxy],
  ['wire-alone', startRelay],
  ['no-proxy', startNothing],
]);

/** Why a chain cannot run here, or null. */
export const absent = (name: ChainName): string | null =>
  (name === 'envoy' || name === 'haproxy') && onPath(name) === null ? `no ${name} on PATH` : null;
