import { Argument, type Command } from 'commander';
import { type LogLevel, logLevels } from '../core/log.ts';

/** Adds `outrigger log-level`; what it takes to ask a sidecar is loaded when it runs. */
export const addLogLevel = (outrigger: Command, outcome: { code: number }): void => {
  outrigger
    .command('log-level')
    .description('Set the least important lines that a running sidecar writes')
    .addArgument(new Argument('<level>').choices(logLevels))
    .requiredOption('--control <path>', 'its control socket, listen.control in its settings')
    .addHelpText(
      'after',
      '\nExamples:\n  $ outrigger log-level debug --control /run/outrigger-orders/control.sock',
    )
    .action(async (level: LogLevel, { control }: { control: string }) => {
      const { logLevel } = await import('./log-level.ts');
      outcome.code = await logLevel({ level, control }, (line) => void process.stdout.write(`${line}\n`));
    });
};
