import { Cell } from './core/cell.ts';
import type { Identity } from './core/identity.ts';
import type { Slice } from './core/snapshot.ts';
import { sourceOver } from './sources/over.ts';
import type { Source } from './sources/source.ts';

/**
 * Defences that the demo and the chaos runs take away, to show that without them their promise breaks.
 * Never set where calls matter; a sidecar with one of them says so at start.
 */
export type Sabotage =
  | 'eject'
  | 'breaker'
  | 'retry'
  | 'identity'
  | 'roots'
  | 'snapshot'
  | 'intentions'
  | 'review'
  | 'deadline'
  | 'balance'
  | 'drain';

const words: readonly Sabotage[] = [
  'eject',
  'breaker',
  'retry',
  'identity',
  'roots',
  'snapshot',
  'intentions',
  'review',
  'deadline',
  'balance',
  'drain',
];

/** Reads OUTRIGGER_SABOTAGE: words with commas between. Throws on a word that it does not know. */
export const readSabotage = (text: string | undefined): ReadonlySet<Sabotage> => {
  const found = (text ?? '').split(',').filter((word) => word !== '');
  for (const word of found)
    if (!words.includes(word as Sabotage))
      throw new Error(`OUTRIGGER_SABOTAGE: '${word}' is not one of ${words.join(', ')}`);
  return new Set(found as Sabotage[]);
};

/** A source that lets everybody in, whatever the others say. */
export const openToAll = (): Source => {
  const slice: Slice = {
    origin: 'sabotage',
    access: { intentions: [], allowByDefault: true, because: 'intentions were taken away' },
  };
  return { slice: new Cell(slice), want: () => {}, describe: () => '', trouble: () => null, close: () => {} };
};

/** An identity that is never renewed. */
export const frozenIdentity = (identities: Cell<Identity | null>): Cell<Identity | null> => {
  const frozen = new Cell<Identity | null>(identities.value);
  const stop = identities.listen((identity) => {
    if (frozen.value !== null || identity === null) return;
    frozen.set(identity);
    stop();
  });
  return frozen;
};

/** How often it is asked whether Consul is there, in milliseconds. */
const askEveryMs = 200;

/** A source that forgets its services as soon as Consul does not answer. */
export const forgetful = (source: Source, url: string): Source => {
  const slice = new Cell<Slice>(source.slice.value);
  let gone = false;
  const say = (): void =>
    slice.set(gone ? { ...source.slice.value, services: new Map() } : source.slice.value);
  const stop = source.slice.listen(say);
  const ask = async (): Promise<void> => {
    const lost = await fetch(`${url}/v1/status/leader`).then(
      () => false,
      () => true,
    );
    if (lost === gone) return;
    gone = lost;
    say();
  };
  const timer = setInterval(() => void ask(), askEveryMs).unref();
  return sourceOver(source, {
    slice,
    close: () => {
      clearInterval(timer);
      stop();
      source.close();
    },
  });
};
