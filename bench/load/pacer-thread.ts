import { parentPort, workerData } from 'node:worker_threads';
import { type Pace, sharedNow } from './pacer.ts';

/** A fixed seed: every proxy meets the same arrivals. Ref: Marsaglia, Xorshift RNGs. */
let state = 0x2545_f491;
const uniform = (): number => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return ((state >>> 0) + 1) / 0x1_0000_0001;
};

const { perSecond, stop } = workerData as Pace;
const word = new Int32Array(stop);
let at = sharedNow();
// Poisson arrivals: what many callers who know nothing of each other look like.
while (Atomics.load(word, 0) === 0) {
  at += (-Math.log(uniform()) * 1000) / perSecond;
  const wait = at - sharedNow();
  if (wait > 0 && Atomics.wait(word, 0, 0, wait) !== 'timed-out') break;
  parentPort?.postMessage(at);
}
