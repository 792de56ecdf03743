import { z } from 'zod';
import { oneOf, text } from './shapes.ts';

/** Definitions of flags as flagd writes them. Ref: flagd, "Flag Definitions". */
export interface FlagsFile {
  flags: Record<string, FlagFile>;
  $evaluators?: Record<string, unknown> | undefined;
}

/** One of them. */
export interface FlagFile {
  state: 'ENABLED' | 'DISABLED';
  variants: Record<string, unknown>;
  defaultVariant?: string | null | undefined;
  targeting?: Record<string, unknown> | undefined;
}

/** W3C baggage has 64 members, of which the mesh uses up to four and apps some. */
const mostFlags = 48;
const mostVariants = 32;

/** Names go through baggage, and are read there in every language: nothing that would have to be encoded. */
const name = text(
  'a name of letters, digits, dots, hyphens and underscores (64 at most)',
  'express',
  /^[A-Za-z0-9._-]{1,64}$/,
);
const mapping = z.record(z.string(), z.unknown(), { error: () => 'must be a mapping' });

const variants = z
  .record(name, z.unknown(), { error: () => 'must be a mapping, such as { on: true, off: false }' })
  .refine((all) => Object.keys(all).length > 0 && Object.keys(all).length <= mostVariants, {
    error: () => `must have 1 to ${mostVariants} entries`,
  });

const flag = z
  .strictObject({
    state: oneOf('ENABLED', 'DISABLED'),
    variants,
    defaultVariant: z
      .union([z.string(), z.null()], { error: () => "must be the name of a variant, such as 'off'" })
      .optional(),
    targeting: mapping.optional(),
    metadata: mapping.optional(),
  })
  .superRefine((all, context) => {
    const { defaultVariant = null, variants } = all;
    if (defaultVariant === null || Object.hasOwn(variants, defaultVariant)) return;
    const message = `must be one of the variants (${Object.keys(variants).slice(0, 8).join(', ')})`;
    context.addIssue({ code: 'custom', path: ['defaultVariant'], message });
  });

/** One document of definitions. */
export const flagsSchema: z.ZodType<FlagsFile> = z.strictObject({
  $schema: z.string().optional(),
  flags: z
    .record(name, flag, { error: () => 'must be a mapping of flags by name' })
    .refine((all) => Object.values(all).filter(({ state }) => state === 'ENABLED').length <= mostFlags, {
      error: () => `must have ${mostFlags} enabled flags at most, as baggage has no room for more`,
    }),
  $evaluators: mapping.optional(),
  metadata: mapping.optional(),
});

/** The document as JSON Schema, for the keys that it knows. */
export const flagsJsonSchema = (): Record<string, unknown> =>
  z.toJSONSchema(flagsSchema, { io: 'input', target: 'draft-2020-12' }) as Record<string, unknown>;
