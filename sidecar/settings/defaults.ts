import { readDuration, readSize } from '../core/units.ts';
import { type LimitDefinition, type Limits, limitList } from './limits.ts';

/** The limits that hold where no file says anything, without the libraries that read one. */
export const defaultLimits = (): Limits =>
  Object.fromEntries(
    Object.entries(limitList).map(([key, definition]) => [key, defaultOf(definition)]),
  ) as Limits;

const defaultOf = ({ unit, default: standard }: LimitDefinition): number => {
  if (unit === 'count') return Number(standard);
  return (unit === 'bytes' ? readSize : readDuration)(String(standard))!;
};
