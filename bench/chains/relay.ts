import { fileURLToPath } from 'node:url';
import { freePorts } from '../../test/support/free-ports.ts';
import type { Start } from './chain.ts';
import { startProgram } from './program.ts';

const script = fileURLToPath(new URL('../bare-relay.js', import.meta.url));

/** The engine without a mesh, for reference. */
export const startRelay: Start = async ({ backendPort, directory, certificates, profiles }, hops) => {
  const profile = profiles === null ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`];
  const relay = (port: number, to: number, ...tls: string[]) =>
    startProgram(
      process.execPath,
      [...profile, script, String(port), String(to), ...tls],
      `${directory}/relay.log`,
      port,
    );
  const [port, between] = (await freePorts(2)) as [number, number];
  const programs =
    hops === 1
      ? [await relay(port, backendPort)]
      : [
          await relay(between, backendPort, 'in', certificates.directory),
          await relay(port, between, 'out', certificates.directory),
        ];
  return {
    name: 'wire-alone',
    port,
    pids: programs.map(({ pid }) => pid),
    stop: async () => {
      // Callers' side first: a relay ends when its upstream does.
      for (const program of programs.reverse()) await program.stop();
    },
  };
};

/** No proxy at all: what the callers and the backend need by themselves. */
export const startNothing: Start = async ({ backendPort }) => ({
  name: 'no-proxy',
  port: backendPort,
  pids: [],
  stop: async () => {},
});
