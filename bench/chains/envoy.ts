import { writeFileSync } from 'node:fs';
import { freePorts } from '../../test/support/free-ports.ts';
import type { Start } from './chain.ts';
import { type Bootstrap, bootstrap, type EnvoySide } from './envoy-bootstrap.ts';
import { onPath, type Program, startProgram } from './program.ts';

/** Envoy with one worker thread; `envoy-bootstrap.ts` says what is on. */
export const startEnvoy: Start = async ({ backendPort, directory, certificates }, hops) => {
  const command = onPath('envoy')!;
  const [port, between] = (await freePorts(2)) as [number, number];
  const envoy = (name: string, side: EnvoySide): Promise<Program> => {
    const path = `${directory}/${name}.json`;
    const file: Bootstrap = bootstrap(side, certificates);
    writeFileSync(path, JSON.stringify(file, null, 2));
    const args = ['-c', path, '--concurrency', '1', '--disable-hot-restart', '-l', 'warn'];
    return startProgram(command, args, `${directory}/envoy.log`, side.port);
  };
  const programs =
    hops === 1
      ? [await envoy('envoy', { port, to: backendPort, tls: 'none' })]
      : [
          await envoy('envoy-echo', { port: between, to: backendPort, tls: 'in' }),
          await envoy('envoy-web', { port, to: between, tls: 'out' }),
        ];
  return {
    name: 'envoy',
    port,
    pids: programs.map(({ pid }) => pid),
    stop: async () => {
      await Promise.all(programs.map((program) => program.stop()));
    },
  };
};
