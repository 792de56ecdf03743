import { type Mesh, MeshError, type Methods } from '../../../sdk/index.ts';
import { Code, codeNames } from '../../core/status.ts';
import { wallMs } from './diary.ts';
import type { Stage, UserCall } from './services.ts';

/** One thing that users do. */
export interface Doing {
  /** Service and method, such as `orders/Place`. */
  readonly what: string;
  readonly concernsInventory: boolean;
  readonly run: () => Promise<unknown>;
}

/** No user waits longer, in milliseconds. */
const patienceMs = 5000;

/**
 * Steady load: calls one after the other of `doings`, at a rate that does not wait for answers. A tick that comes late
 * is not made up for: after a stall there would be a burst that no user made.
 */
export const startLoad = (mesh: Mesh, doings: readonly Doing[]): Pick<Methods<Stage>, 'play' | 'pause'> => {
  let calls: UserCall[] = [];
  let timer: NodeJS.Timeout | null = null;
  let turn = 0;
  let atInventory = 0;
  const inFlight = new Set<Promise<void>>();

  const next = (oneAtATime: boolean): Doing => {
    const doing = doings[turn++ % doings.length]!;
    if (!oneAtATime || atInventory === 0 || !doing.concernsInventory) return doing;
    return doings.find(({ concernsInventory }) => !concernsInventory) ?? doing;
  };

  const call = async ({ what, concernsInventory, run }: Doing): Promise<void> => {
    if (concernsInventory) atInventory++;
    const beganAt = wallMs();
    let id = '';
    let failure: MeshError | null = null;
    try {
      await mesh.begin(
        () => {
          id = mesh.context()?.correlationId ?? '';
          return run();
        },
        { timeoutMs: patienceMs },
      );
    } catch (error) {
      failure = error instanceof MeshError ? error : new MeshError(Code.UNKNOWN, String(error));
    }
    if (concernsInventory) atInventory--;
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
    play: ({ callsPerSecond, oneAtATime }) => {
      const everyMs = 1000 / callsPerSecond;
      const tick = (dueAt: number): void => {
        const running = call(next(oneAtATime));
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
