import type { Loss } from './audit.ts';
import type { Cast } from './cast.ts';
import type { Books } from './ledger.ts';
import type { UserCall } from './services.ts';

/** What an act works with while the load runs. */
export interface Scene {
  readonly cast: Cast;
  /** Lets the load run on; rejects when the demo is ended. */
  wait(ms: number): Promise<void>;
  /** Aborts when the demo is ended. */
  readonly signal: AbortSignal;
  /** Tells the audience what happens now. */
  tell(what: string): void;
}

/** What an act leaves for its judgement. */
export interface Evidence {
  /** Calls that the users made, from the first to the last of the act. */
  readonly calls: readonly UserCall[];
  /** Those that failed. */
  readonly failed: readonly UserCall[];
  /** When what the act is about happened, milliseconds since 1970. */
  readonly at: number;
  readonly books: Books;
  /** What the act itself found broken while it played. */
  readonly found: readonly string[];
}

/** What happened when an act was played. */
export interface Played {
  readonly at: number;
  /** What is broken already; empty when nothing is. */
  readonly found?: readonly string[];
}

/** One act of the story: what happens, and what the mesh promises about it. */
export interface Act {
  readonly name: string;
  readonly title: string;
  readonly promise: string;
  /** Makes it happen, while users call at a steady rate. */
  play(scene: Scene): Promise<Played>;
  /** Who died, and how many calls with it; absent when nobody does. */
  loss?(evidence: Evidence): Loss;
  /** How many calls ran out of time; absent when none may. */
  late?(evidence: Evidence): number;
  /** Where the promise was broken, in words; empty when it was kept. */
  judge(evidence: Evidence): string[];
  /** The call whose way is shown; default the last that went well. */
  follow?(evidence: Evidence): UserCall | undefined;
  /** Puts everything in order again, without load. */
  restore?(scene: Scene): Promise<void>;
}

/** Says so when any call failed. */
export const noneFailed = ({ failed }: Evidence): string[] =>
  failed.length === 0 ? [] : [`${failed.length} calls failed, the first: ${described(failed[0]!)}`];

/** A failure in words. */
export const described = ({ what, code, message, id }: UserCall): string =>
  `${what} ${code} "${message}" (${id})`;
