import { type Mesh, MeshError, type Methods } from '../../../sdk/index.ts';
import { Code, codeNames } from '../../core/status.ts';
import { wallMs } from './diary.ts';
import type { Stage, UserCall } from './services.ts';

/** One thing that users do. */
export interface Doing {
  /** Service and method, such as `orders/Place`. */
  readonly what: string;
  readonly run: () => Promise<unknown>;
}

/** No user waits longer, in milliseconds. */
export const patienceMs = 5000;

/**
 * Steady load: calls one after the other of `doings`, at a rate that does not wait for answers. A tick that comes late
 * is not made up for: after a stall there would be a burst that no user made.
 */
export const startLoad = (mesh: Mesh, doings: readonly Doing[]): Pick<Methods<Stage>, 'play' | 'pause'> => {
  let calls: UserCall[] = [];
  let timer: NodeJS.Timeout | null = null;
  let turn = 0;
  const inFlight = new Set<Promise<void>>();

  const call = async ({ what, run }: Doing): Promise<void> => {
    const beganAt = wallMs();
    let id = '';
    let failure: MeshError | null = null;
    try {
      await mesh.run({ timeout: patienceMs }, () => {
        id = mesh.context()?.correlationId ?? '';
        return run();
      });
    } catch (error) {
      failure = error instanceof MeshError ? error : new MeshError(Code.UNKNOWN, String(error));
    }
    calls.push({
      id,
      what,
      code: codeNames[failure?.code ?? Code.OK] ?? 'UNKNOWN',
      beganAt,
      tookMs: wallMs() - beganAt,
      reached: failure?.reached ?? true,
      message: failure?.message ?? '',
    });
  };

  return {
    play: ({ callsPerSecond }) => {
      const everyMs = 1000 / callsPerSecond;
      const tick = (dueAt: number): void => {
        const running = call(doings[turn++ % doings.length]!);
        inFlight.add(running);
        void running.finally(() => inFlight.delete(running));
        const now = performance.now();
        const nextAt = Math.max(dueAt + everyMs, now);
        timer = setTimeout(() => tick(nextAt), nextAt - now);
      };
      clearTimeout(timer ?? undefined);
      tick(performance.now());
      return {};
    },
    pause: async () => {
      clearTimeout(timer ?? undefined);
      timer = null;
      await Promise.all(inFlight);
      const told = calls;
      calls = [];
      return { calls: told };
    },
  };
};
