import type { Log } from '../core/log.ts';

/** Where signals are heard: the process, outside tests. */
interface Signals {
  on(signal: NodeJS.Signals, listener: () => void): unknown;
  off(signal: NodeJS.Signals, listener: () => void): unknown;
}

/** SIGUSR1 is Node's own: it opens the inspector. */
const signal = 'SIGUSR2';

/**
 * Has SIGUSR2 switch the log between `debug` and the level that it was opened with. The answer stops listening.
 * Without a listener the signal would end the process.
 */
export const switchLevelBySignal = (log: Log, signals: Signals): (() => void) => {
  const usual = log.level ?? 'info';
  const hear = (): void => {
    if (log.level === undefined) return;
    // Told at whatever level it leaves, and at the one that it goes to.
    const to = log.level === 'debug' ? usual : 'debug';
    log.level = 'debug';
    log.info({ to }, 'log level set by SIGUSR2');
    log.level = to;
  };
  signals.on(signal, hear);
  return () => void signals.off(signal, hear);
};
