import { z } from 'zod';
import type { Placement } from '../core/policy.ts';
import { durationPattern, readDuration, readSize, sizePattern } from '../core/units.ts';

/** A text that must have a certain shape: what it must be is the whole message, with an example. */
export const text = (must: string, example: string, pattern: RegExp): z.ZodString =>
  z.string({ error: () => `must be ${must}, such as ${example}` }).regex(pattern, {
    error: () => `must be ${must}, such as ${example}`,
  });

/** The same, turned into what it means; `read` answers null for what it cannot read. */
export const reading = <T>(
  must: string,
  example: string,
  read: (text: string) => T | null,
): z.ZodType<T, string> => {
  const error = `must be ${must}, such as ${example}`;
  return z.string({ error: () => error }).transform((value, context) => {
    const result = read(value);
    if (result !== null) return result;
    context.addIssue({ code: 'custom', message: error });
    return z.NEVER;
  });
};

/** A whole number from `least` to `most`. */
export const whole = (least: number, most: number, must: string, example: number): z.ZodInt => {
  const error = (): string => `must be ${must}, such as ${example}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
};

/** A file. */
export const path: z.ZodString = text('the path of a file', './orders.pem', /^[^\0]+$/);

/** One of a few words. */
export const oneOf = <const T extends readonly string[]>(...words: T): z.ZodType<T[number], T[number]> =>
  z.enum(words, { error: () => `must be ${words.slice(0, -1).join(', ')} or ${words.at(-1)}` });

/** A size or a time with its unit. */
export const measured = (unit: 'bytes' | 'time'): z.ZodType<number, string> => {
  const [must, example, pattern, read] =
    unit === 'bytes'
      ? (['a size with its unit (B, KiB, MiB, GiB)', '64MiB', sizePattern, readSize] as const)
      : (['a time with its unit (ms, s, m, h)', '5s', durationPattern, readDuration] as const);
  return text(must, example, pattern).transform((value) => read(value)!);
};

/** The name of a service, as Consul's own naming advice has it. */
export const serviceName: z.ZodString = text(
  'a service name of lower-case letters, digits and hyphens (63 at most)',
  'orders',
  /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
);

/** Metadata of a registration, by Consul's own limits. */
export const metaWords: z.ZodType<Record<string, string>> = z
  .record(
    text('a key of letters, digits, hyphens and underscores', 'version', /^[A-Za-z0-9_-]{1,128}$/),
    text(
      'a text of at most 512 characters, quoted where YAML reads something else',
      "'2'",
      /^[\s\S]{0,512}$/,
    ),
  )
  .refine((words) => Object.keys(words).length <= 60, { error: () => 'must have 60 keys at most' });

/** Tags of a registration. */
export const tagWords: z.ZodType<string[]> = z
  .array(text('a tag without spaces', 'canary', /^\S{1,255}$/))
  .max(64, { error: () => 'must be 64 tags at most' });

/** Where a service runs for an app that hosts it. */
export const placement: z.ZodType<Placement, Placement> = oneOf('local', 'mesh');

/** Flags by name, with their variants. */
export const flagWords: z.ZodRecord<z.ZodString, z.ZodString> = z.record(
  text('a flag name of letters, digits, dots, hyphens and underscores', 'express', /^[A-Za-z0-9._-]{1,64}$/),
  text(
    'a text, quoted where YAML reads something else, of letters, digits, dots, hyphens and underscores',
    "'on'",
    /^[A-Za-z0-9._-]{1,64}$/,
  ),
);
