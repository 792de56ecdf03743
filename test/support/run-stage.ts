import { EventEmitter } from 'node:events';
import type { RunOptions } from '../../sidecar/cli/run.ts';
import type { StartedSidecar, Surroundings } from '../../sidecar/cli/started.ts';
import { silent } from '../../sidecar/core/log.ts';
import { loadSettings } from '../../sidecar/settings/load.ts';
import type { Settings } from '../../sidecar/settings/settings.ts';

/** What `run` reaches out to in a test, and what it did there. */
export interface Stage {
  around: Surroundings;
  signals: EventEmitter;
  /** What happened to the sidecar, in order. */
  steps: string[];
  said: string[];
  settings: () => Settings;
}

/** A sidecar that has started, does what `parts` say, and otherwise at once what it is asked; `steps` hears of that. */
export const startedAt = (
  ports: StartedSidecar['ports'],
  steps: string[],
  parts: Partial<StartedSidecar>,
): StartedSidecar => ({
  ports,
  ready: Promise.resolve(),
  notReady: () => ['no certificate yet'],
  drain: async () => void steps.push('drain'),
  appGone: async () => void steps.push('app gone'),
  close: async () => void steps.push('close'),
  ...parts,
});

/** Surroundings in which a sidecar starts that is as `startedAt` says. */
export const stage = (parts: Partial<StartedSidecar> = {}, over: Partial<Surroundings> = {}): Stage => {
  const signals = new EventEmitter();
  const steps: string[] = [];
  const said: string[] = [];
  let settings: Settings;
  const around: Surroundings = {
    start: async (given) => {
      settings = given;
      steps.push('start');
      return startedAt(
        { app: '127.0.0.1:41001', peers: '0.0.0.0:41002', admin: '127.0.0.1:41003' },
        steps,
        parts,
      );
    },
    load: async (origin) => loadSettings(origin),
    openLog: () => silent,
    signals,
    say: (line) => void said.push(line),
    patienceMs: 5000,
    terminal: false,
    ...over,
  };
  return { around, signals, steps, said, settings: () => settings };
};

export const orders: RunOptions = { service: 'orders', upstream: [] };
