import type { World } from './world.ts';

/** What a check found: one line of cause, one of remedy. */
export interface Finding {
  /** A fault keeps something from working; a risk may. */
  readonly severity: 'fault' | 'risk';
  readonly cause: string;
  readonly remedy: string;
}

/** Looks at one thing in the world. Its name is shown beside what it found, and stands in `--json`. */
export interface Check {
  readonly name: string;
  readonly look: (world: World) => Promise<readonly Finding[]>;
}

/** Something that does not work. */
export const fault = (cause: string, remedy: string): Finding => ({ severity: 'fault', cause, remedy });

/** Something that may not work one day, or elsewhere. */
export const risk = (cause: string, remedy: string): Finding => ({ severity: 'risk', cause, remedy });

/** What a thrown value says, in one line. */
export const because = (thrown: unknown): string =>
  (thrown instanceof Error && thrown.message !== ''
    ? thrown.message
    : String((thrown as { code?: unknown } | null)?.code ?? thrown)
  ).replace(/\s+/g, ' ');
