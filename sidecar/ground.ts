import type { Loop } from '../wire/index.ts';
import { Accounts } from './core/accounts.ts';
import type { FlagTrees } from './core/flag-trees.ts';
import type { Kit } from './core/kit.ts';
import { builtIn, type PolicyValues } from './core/policy.ts';
import type { Progress } from './core/progress.ts';
import type { Tracing } from './core/trace.ts';
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
  /** What calls that left have cost the calls on whose behalf they were made. */
  readonly accounts: Accounts;
  /** The calls on the way in. */
  readonly progress: Progress;
  /** What the flags of the call trees are that come through here. */
  readonly trees: FlagTrees;
  /** Null: tracing is off. */
  readonly tracing: Tracing | null;
  /** Aborts when the sidecar closes. */
  readonly signal: AbortSignal;
}

/** Pings between outriggers, as the settings say. */
export const keepaliveOf = ({ settings: { limits } }: Ground): NonNullable<ListenerOptions['keepalive']> => ({
  intervalMs: limits['ping-interval'],
  timeoutMs: limits['ping-timeout'],
});

/** The least version of TLS between sidecars, as the settings say. */
export const leastTlsOf = ({ settings: { identity } }: Ground): Pick<ListenerOptions, 'leastTls'> =>
  identity.from === 'none' ? {} : { leastTls: identity.leastTls };

/** How long calls may last, as the settings say. */
export const deadlinesOf = ({
  settings: { limits },
  sabotage,
}: {
  readonly settings: Pick<Settings, 'limits'>;
  readonly sabotage: ReadonlySet<Sabotage>;
}): {
  readonly longestCallMs: number;
  readonly idleStreamMs: number;
  readonly enforced: boolean;
} => ({
  longestCallMs: limits['longest-call'],
  idleStreamMs: limits['idle-stream'],
  enforced: !sabotage.has('deadline'),
});

/** How calls are treated where nobody says anything. */
export const builtInPolicy = (
  { limits }: Pick<Settings, 'limits'>,
  sabotage: ReadonlySet<Sabotage> = new Set(),
): PolicyValues => ({
  ...builtIn,
  connect: limits.connect,
  'idle-stream': limits['idle-stream'],
  ...(sabotage.has('breaker') && { breaker: { ...builtIn.breaker, mode: 'off' as const } }),
  ...(sabotage.has('balance') && { balance: 'round-robin' as const }),
  ...(sabotage.has('eject') && { eject: { ...builtIn.eject, mode: 'off' as const } }),
});

/** What calls have cost, in the name of the service that this sidecar stands beside. */
export const accountsOf = ({ service }: Pick<Settings, 'service'>): Accounts =>
  new Accounts(service?.name ?? 'outrigger');

/** Who speaks in messages of the mesh's own. */
export const speakerOf = ({
  settings: { service },
}: {
  readonly settings: Pick<Settings, 'service'>;
}): string => (service === null ? 'outrigger' : `outrigger ${service.name}`);
