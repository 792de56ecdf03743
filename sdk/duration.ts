import { unitMs } from '../sidecar/core/duration-units.ts';

/**
 * A time span: milliseconds, or a number with its unit, such as `'250ms'`, `'2s'`, `'1.5m'`.
 *
 * @example
 * const patience: Duration = '1.5s';
 * await inventory.reserve({ sku: 'oar' }, { timeout: patience });
 */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h'}`;

const pattern = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;

/** Milliseconds of a duration. Throws a TypeError that names `option` for what is none, or is negative. */
export const millisecondsOf = (duration: Duration, option: string): number => {
  if (typeof duration === 'number' && duration >= 0) return duration;
  const [, count, unit] = pattern.exec(String(duration)) ?? [];
  if (count === undefined || unit === undefined)
    throw new TypeError(
      `${option} is ${JSON.stringify(duration)}: give milliseconds as a number, or a text such as '250ms', '2s', '1m', '1h'`,
    );
  return Number(count) * unitMs[unit]!;
};
