import type { Fault } from '../core/policy.ts';
import { Code, codeNames } from '../core/status.ts';
import { readDuration } from '../core/units.ts';

const delayWord = /^delay=(.+)$/;
const abortWord = /^abort=([A-Za-z_]{1,24})$/;
/** A fault for one request waits no longer, milliseconds. */
const longestMs = 3_600_000;

/** Reads a fault for one request, such as `delay=100ms, abort=UNAVAILABLE`; null where it is none. */
export const readFault = (text: string): Fault | null => {
  let delay: number | undefined;
  let abort: Fault['abort'];
  for (const word of text.split(',').map((part) => part.trim())) {
    const delayMs = readDuration(delayWord.exec(word)?.[1] ?? '');
    const [, name = ''] = abortWord.exec(word) ?? [];
    if (delayMs !== null && delay === undefined) delay = Math.min(delayMs, longestMs);
    else if ((name === 'reset' || name === 'drop') && abort === undefined) abort = name;
    else if (name !== 'OK' && Object.hasOwn(Code, name) && abort === undefined)
      abort = Code[name as keyof typeof Code];
    else return null;
  }
  return { percent: 100, delay, abort };
};

/** What a fault does, in the words of the header. */
export const writeFault = ({ delay, abort }: Fault): string =>
  [
    ...(delay === undefined ? [] : [`delay=${delay}ms`]),
    ...(abort === undefined ? [] : [`abort=${typeof abort === 'number' ? codeNames[abort] : abort}`]),
  ].join(',');
