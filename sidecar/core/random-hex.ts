import { randomFillSync } from 'node:crypto';

const poolBytes = 4096;

/** Makes `bytes` random bytes, as lower-case hex. */
export type RandomHex = (bytes: number) => string;

/**
 * Random hex for ids, from a pool that is filled 4 KiB at a time: one crossing into crypto for 128 correlation ids.
 *
 * From crypto rather than from the kit's chance, because ids of different sidecars must never meet.
 */
export const randomHex = (fill: (pool: Buffer) => unknown = randomFillSync): RandomHex => {
  const pool = Buffer.alloc(poolBytes);
  let used = poolBytes;
  return (bytes) => {
    if (used + bytes > poolBytes) {
      fill(pool);
      used = 0;
    }
    used += bytes;
    return pool.toString('hex', used - bytes, used);
  };
};
