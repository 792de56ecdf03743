import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { sumOf, twoSidecars } from './sidecars.ts';
import { atRate, failures, patientMs } from './steady-load.ts';

/** What those beside a hostile app, and the peers, saw of it. */
export interface Seen {
  /** Calls of another connection of the same port, and those of them that failed. */
  readonly calls: number;
  readonly failed: number;
  readonly complaints: readonly string[];
  /** Limits that were broken on the app's port, and on the peer's. */
  readonly breaches: number;
  readonly peerBreaches: number;
  /** Connections that the peer has taken: four are the most that there may be at a time. */
  readonly peerConnections: number;
}

const perSecond = 100;

/** Calls at a steady rate from one app, while another process attacks the same port of its sidecar. */
export const besideAttack = async (
  attack: string,
  limits: Readonly<Record<string, unknown>> = {},
): Promise<Seen> => {
  const mesh = await twoSidecars({ caller: { limits } });
  try {
    const attacker = await startAttacker(attack, mesh.caller.ports.app);
    const load = atRate(mesh.client, perSecond, patientMs);
    await pause(200);
    await attacker();
    await pause(200);
    await load.stop();
    const callee = mesh.callees[0]!;
    return {
      calls: load.codes.length,
      failed: failures(load.codes).length,
      complaints: [...new Set(load.complaints)],
      breaches: sumOf(mesh.caller, 'outrigger_limit_breaches_total', 'listener="app"'),
      peerBreaches: sumOf(callee, 'outrigger_limit_breaches_total'),
      peerConnections: sumOf(callee, 'outrigger_connections_total', 'listener="peers"'),
    };
  } finally {
    await mesh.close();
  }
};

/** TypeScript where it is run from source, JavaScript where it was compiled. */
const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));

/** A process that is ready to attack `address`; what it answers has it begin, and resolves when it is over. */
const startAttacker = async (attack: string, address: string): Promise<() => Promise<void>> => {
  const port = address.slice(address.lastIndexOf(':') + 1);
  const child = fork(fileURLToPath(new URL(`../chaos/attacker${ending}`, import.meta.url)), [attack, port], {
    execArgv: ending === '.ts' ? ['--import', 'tsx'] : [],
  });
  const gone = once(child, 'exit');
  await Promise.race([
    once(child, 'message'),
    gone.then(([code]) => Promise.reject(new Error(`ended: ${code}`))),
  ]);
  return async () => {
    child.send('go');
    await gone;
  };
};
