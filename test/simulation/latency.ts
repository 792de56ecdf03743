import type { Chance } from './chance.ts';

/** How long an app works on a call, milliseconds. */
export type Latency = (random: Chance) => number;

/** Always the same. */
export const constant =
  (ms: number): Latency =>
  () =>
    ms;

/** Made: half of the calls take less than `medianMs`, one in a hundred more than `p99Ms`, spread as a log-normal. */
export const lognormal = (medianMs: number, p99Ms: number): Latency => {
  const sigma = Math.log(p99Ms / medianMs) / zOf99;
  return (random) => {
    // Box and Muller; 1 - x, because the logarithm of 0 is not a number of milliseconds.
    const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    return medianMs * Math.exp(sigma * normal);
  };
};

/** The normal distribution's quantile of 0.99. */
const zOf99 = 2.326_347_87;

/** Recorded: milliseconds in growing order, evenly spread quantiles of what was measured; between two it is a line. */
export const recorded = (quantiles: readonly number[]): Latency => {
  const last = quantiles.length - 1;
  return (random) => {
    const place = random() * last;
    const below = Math.floor(place);
    const low = quantiles[below]!;
    return low + (quantiles[Math.min(below + 1, last)]! - low) * (place - below);
  };
};
