import type { Loop } from '../wire/index.ts';
import type { Kit } from './core/kit.ts';
import type { Origins } from './origins.ts';
import type { Sabotage } from './sabotage.ts';
import type { Settings } from './settings/settings.ts';
import type { ListenerOptions } from './transports/listener.ts';

/** What both ways of a sidecar stand on. */
export interface Ground {
  readonly settings: Settings;
  readonly kit: Kit;
  readonly loop: Loop;
  readonly origins: Origins;
  readonly sabotage: ReadonlySet<Sabotage>;
}

/** Pings between outriggers, as the settings say. */
export const keepaliveOf = ({ settings: { limits } }: Ground): NonNullable<ListenerOptions['keepalive']> => ({
  intervalMs: limits['ping-interval'],
  timeoutMs: limits['ping-timeout'],
});

/** How long calls may last, as the settings say. */
export const deadlinesOf = ({
  settings: { limits },
}: Ground): { readonly longestCallMs: number; readonly idleStreamMs: number } => ({
  longestCallMs: limits['longest-call'],
  idleStreamMs: limits['idle-stream'],
});

/** Who speaks in messages of the mesh's own. */
export const speakerOf = ({ settings: { service } }: Ground): string =>
  service === null ? 'outrigger' : `outrigger ${service.name}`;
