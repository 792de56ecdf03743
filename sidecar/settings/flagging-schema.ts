import { z } from 'zod';
import { path, reading, serviceName } from './shapes.ts';

/** Who decides flags, as the file says it. */
export interface FlaggingFile {
  file?: string | undefined;
  'targeting-key'?: TargetingKey | undefined;
  deciders?: string[] | undefined;
  testers: string[];
}

/** Where the targeting key of a call is found. */
export interface TargetingKey {
  in: 'baggage' | 'metadata';
  name: string;
}

const mostNames = 256;

const targetingKey = reading<TargetingKey>(
  "'baggage:' or 'metadata:' and a name, that of metadata in lower case",
  'baggage:user',
  (text) => {
    const [, baggage, metadata] =
      /^(?:baggage:([A-Za-z0-9._-]{1,64})|metadata:([a-z0-9._-]{1,64}))$/.exec(text) ?? [];
    if (baggage !== undefined) return { in: 'baggage', name: baggage };
    return metadata === undefined ? null : { in: 'metadata', name: metadata };
  },
);

const names = z.array(serviceName).max(mostNames, { error: () => `must be ${mostNames} names at most` });

/** Who decides flags, and from what. */
export const flaggingSchema: z.ZodType<FlaggingFile, unknown> = z.strictObject({
  file: path.optional().meta({
    description:
      "Definitions in flagd's format, JSON or YAML, read again when the file changes; those in KV count more",
  }),
  'targeting-key': targetingKey.optional().meta({
    description:
      'What a share of the callers is chosen by: baggage:NAME or metadata:NAME. Default: the correlation id',
  }),
  deciders: names.optional().meta({
    description: "Services whose flags are believed on calls that come in; without the key everybody's",
  }),
  testers: names.prefault([]).meta({
    description:
      'Services whose `x-outrigger-flags` holds, on calls that come in; of our own app, where our name is here',
  }),
});
