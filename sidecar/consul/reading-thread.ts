import { parentPort } from 'node:worker_threads';
import { reasonOf } from './errors.ts';
import { readAnswer, type Shapes } from './reading.ts';

/** A large answer, on its way to the thread. */
export interface Asked {
  readonly id: number;
  readonly shape: keyof Shapes;
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
  readonly place: string;
}

/** What the thread made of it: JSON of the fields that we use, or why there is none. */
export type Told =
  | { readonly id: number; readonly json: string }
  | { readonly id: number; readonly garbage: string };

// The thread in which large answers are read. JSON goes back because it is cheaper to take in than the objects: a
// structured clone of what is left of 4 MiB holds the other loop for 4 to 7 ms, its JSON for 2 to 5.
parentPort?.on('message', ({ id, shape, parts, place }: Asked) => {
  let told: Told;
  try {
    told = { id, json: JSON.stringify(readAnswer(shape, Buffer.concat(parts).toString('utf8'), place)) };
  } catch (thrown) {
    told = { id, garbage: thrown instanceof Error ? thrown.message : reasonOf(thrown) };
  }
  parentPort?.postMessage(told);
});
