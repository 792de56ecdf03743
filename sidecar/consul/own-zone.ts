import type { Kit } from '../core/kit.ts';
import { backoffMs } from './backoff.ts';
import type { ConsulDoor, Looked } from './door.ts';
import { pause } from './pause.ts';

/** Longest pause between tries, milliseconds. Nothing depends on it but whose endpoints come first. */
const longestBackoffMs = 60_000;

/**
 * The zone of the node on which our agent is, by the node's meta `zone`; empty when it has none. Asks until there is an
 * answer, or `signal` aborts. Never rejects.
 *
 * A token that may not look at the agent itself finds the node's name in the checks of services, which it may read, and
 * the rest in the catalog: there is no check before our own is registered, so it may take a second.
 */
export const ownZone = async (
  door: Pick<ConsulDoor, 'look'>,
  kit: Pick<Kit, 'wheel' | 'random'>,
  signal: AbortSignal,
): Promise<string> => {
  for (let tries = 1; !signal.aborted; tries++) {
    const found = await lookedUp(door, signal).catch(() => null); // Consul is away, or answers in other words
    if (found !== null) return found;
    await pause(kit, backoffMs(tries, longestBackoffMs, kit.random), signal);
  }
  return '';
};

/** The zone, or null while it cannot be had. */
const lookedUp = async ({ look }: Pick<ConsulDoor, 'look'>, signal: AbortSignal): Promise<string | null> => {
  const self = readAs<{ Meta?: NodeMeta }>(await look('/agent/self', signal));
  if (self !== null) return zoneIn(self.Meta);
  const checks = readAs<Record<string, { Node?: unknown }>>(await look('/agent/checks', signal));
  const node = Object.values(checks ?? {})[0]?.Node;
  if (typeof node !== 'string' || !/^[A-Za-z0-9._-]{1,255}$/.test(node)) return null;
  const entry = readAs<{ Node?: { Meta?: NodeMeta } }>(await look(`/catalog/node/${node}`, signal));
  // The servers know of a new node before its agent has told them of its meta, of which some is always there.
  const meta = entry?.Node?.Meta ?? {};
  return Object.keys(meta).length === 0 ? null : zoneIn(meta);
};

type NodeMeta = Readonly<Record<string, unknown>> | null | undefined;

const readAs = <T>({ status, text }: Looked): T | null =>
  status === 200 ? (JSON.parse(text) as T | null) : null;

const zoneIn = (meta: NodeMeta): string => {
  const zone = meta?.['zone'];
  return typeof zone === 'string' ? zone : '';
};
