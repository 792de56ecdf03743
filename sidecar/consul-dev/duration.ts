import { unitMs } from '../core/duration-units.ts';
import { Refusal } from './refusal.ts';

/** Milliseconds of a duration in Go's writing (`1h2m3.5s`), or undefined when it is none. */
export const parseDuration = (text: string): number | undefined => {
  if (text === '0') return 0;
  let ms = 0;
  let rest = text.replace(/^[+-]/, '');
  if (rest === '') return undefined;
  while (rest !== '') {
    const part = /^(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)/.exec(rest);
    if (part === null) return undefined;
    ms += Number(part[1]) * unitMs[part[2]!]!;
    rest = rest.slice(part[0].length);
  }
  return text.startsWith('-') ? -ms : ms;
};

/** Milliseconds of a duration in a request: a string as above, or a number of nanoseconds. Refuses the rest. */
export const durationOf = (value: unknown): number => {
  if (value === undefined || value === null || value === '') return 0;
  if (typeof value === 'number') return value / 1e6;
  const ms = typeof value === 'string' ? parseDuration(value) : undefined;
  if (ms === undefined)
    throw new Refusal(400, `Request decode failed: time: invalid duration ${JSON.stringify(value)}`);
  return ms;
};

/** Writes milliseconds as Go does: `1h0m0s`, `1.5s`, `200ms`. */
export const formatDuration = (ms: number): string => {
  if (ms === 0) return '0s';
  if (ms < 1000) return `${ms}ms`;
  const seconds = ms / 1000;
  const h = Math.floor(seconds / 3600);
  const m = Math.floor((seconds % 3600) / 60);
  const s = Number((seconds % 60).toFixed(9));
  return `${h > 0 ? `${h}h` : ''}${h > 0 || m > 0 ? `${m}m` : ''}${s}s`;
};
