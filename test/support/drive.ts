import type { StillKit } from './kit.ts';

/** Lets promises and sockets run without moving time. */
export const breathe = async (turns = 5): Promise<void> => {
  for (let turn = 0; turn < turns; turn++) await new Promise((next) => setImmediate(next));
};

/** Moves time in small steps, with room for sockets between them, until `reached`; says what was awaited if never. */
export const drive = async (
  kit: StillKit,
  what: string,
  reached: () => boolean,
  mostMs = 600_000,
): Promise<void> => {
  const end = kit.clock.now() + mostMs;
  while (!reached()) {
    if (kit.clock.now() > end) throw new Error(`never: ${what}`);
    kit.pass(5);
    await breathe(1);
  }
};
