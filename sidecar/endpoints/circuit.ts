import { EventEmitter } from 'node:events';
import CircuitBreaker from 'opossum';

/** The verdict on a trial, as the breaker awaits it. */
export class Trial {
  readonly verdict: Promise<void>;
  pass!: () => void;
  fail!: (why: string) => void;

  constructor() {
    this.verdict = new Promise((resolve, reject) => {
      this.pass = resolve;
      this.fail = (why) => reject(new Error(why));
    });
    // Nobody may be listening: a breaker that does not take the trial never looks at its promise.
    this.verdict.catch(() => {});
  }
}

/** A breaker of opossum, whose open, closed and half-open are what nobody else speaks of. */
export type Circuit = CircuitBreaker<[Promise<void>], void>;

/** The longest delay of a Node timer: opossum's half-open timer never fires, ours decides. */
const never = 2 ** 31 - 1;

/**
 * A breaker with options that are safe on a data path: its defaults keep two intervals and every latency, and one
 * failure would open it. The bucket controller is never told to rotate: a breaker sees one trial and is replaced.
 */
export const circuit = (halfOpen: boolean): Circuit => {
  const options = {
    timeout: false as const,
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
    resetTimeout: never,
    rotateBucketController: new EventEmitter(),
    state: {
      name: 'gate',
      enabled: true,
      closed: !halfOpen,
      open: false,
      halfOpen,
      warmUp: false,
      shutdown: false,
    },
  };
  return new CircuitBreaker((verdict: Promise<void>) => verdict, options);
};
