/**
 * Milliseconds to wait after the `failures`th failure in a row: exponential from 250 ms, with the upper half by
 * chance, so that a thousand sidecars that lost the same Consul do not come back in one moment.
 */
export const backoffMs = (failures: number, longestMs: number, random: () => number): number => {
  const whole = Math.min(250 * 2 ** Math.min(failures - 1, 20), longestMs);
  return whole / 2 + (whole / 2) * random();
};
