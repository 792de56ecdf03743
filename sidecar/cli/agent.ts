import { isLoopback } from '../settings/address.ts';
import { listenForEnding } from './ending.ts';
import { Exit, UsageError } from './exit.ts';
import type { Surroundings } from './started.ts';

/** Options of `outrigger agent`, as commander hands them over. */
export interface AgentOptions {
  readonly host: string;
  readonly port: number;
  readonly allowRemote: boolean;
}

/** `outrigger agent`: the development agent until a signal. Answers the exit code. */
export const agent = async (options: AgentOptions, signals: Surroundings['signals']): Promise<number> => {
  const { host, port, allowRemote } = options;
  if (!allowRemote && !isLoopback({ host, port }))
    throw new UsageError(
      `${host} is open to the network, and whoever reaches this agent may do anything: use 127.0.0.1, or add --allow-remote`,
    );
  const ending = listenForEnding(signals);
  const { startAgent } = await import('../consul-dev/index.ts');
  const started = await startAgent({ host, port, allowRemote }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EADDRINUSE') throw error;
    throw new Error(`${host}:${port} is in use: stop who uses it, or choose another with --port`);
  });
  process.stderr.write(`outrigger: development agent on ${started.url}\n`);
  await ending.asked;
  await started.close();
  ending.leave();
  return Exit.ok;
};
