import { constants } from 'node:os';
import type { Surroundings } from './started.ts';

/** Signals that ask for an end. */
const endings = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** The exit code of what a signal ended. */
export const codeOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

/** The first signal asks for an orderly end, the second for one at once. */
export interface Ending {
  /** Resolves with the first signal. */
  readonly asked: Promise<NodeJS.Signals>;
  /** Resolves with the second signal. */
  readonly atOnce: Promise<NodeJS.Signals>;
  /** Takes the listeners off. */
  leave(): void;
}

/** Listens for signals that ask for an end. */
export const listenForEnding = (signals: Surroundings['signals']): Ending => {
  const steps: ((signal: NodeJS.Signals) => void)[] = [];
  const asked = new Promise<NodeJS.Signals>((resolve) => steps.push(resolve));
  const atOnce = new Promise<NodeJS.Signals>((resolve) => steps.push(resolve));
  const hear = (signal: NodeJS.Signals): void => steps.shift()?.(signal);
  for (const signal of endings) signals.on(signal, hear);
  return {
    asked,
    atOnce,
    leave: () => {
      for (const signal of endings) signals.off(signal, hear);
    },
  };
};

/** True when `work` was done within `ms`, false when the time was over first; rejects when `work` does, in that time. */
export const within = async (work: Promise<unknown>, ms: number): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const done = work.then(() => true);
  return Promise.race([done, late]).finally(() => clearTimeout(timer));
};
