import { z } from 'zod';
import type { PolicyWords } from '../core/policy.ts';
import { flagWords, oneOf, reading, text, whole } from './shapes.ts';
import { readDuration } from './units.ts';

/** What may be said of one method. */
export type MethodFile = Omit<PolicyWords, 'connect' | 'eject'>;

/** A policy as the file and KV write it: about one service, and about methods of it. */
export interface PolicyFile extends PolicyWords {
  /** By path, `/shop.Inventory/Get` or `/shop.Inventory/*`. */
  methods?: Record<string, MethodFile> | undefined;
}

const hourMs = 3_600_000;

/** A time within bounds; `none`, where it is allowed, is null. */
const time = (leastMs: number, mostMs: number, bounds: string, example: string): z.ZodType<number, string> =>
  reading(`a time with its unit (ms, s, m, h) from ${bounds}`, example, (value) => {
    const ms = readDuration(value);
    return ms !== null && ms >= leastMs && ms <= mostMs ? ms : null;
  });
const timeout: z.ZodType<number | null, string> = z.union(
  [z.literal('none').transform(() => null), time(1, 24 * hourMs, '1ms to 24h', '250ms')],
  { error: () => 'must be a time with its unit (ms, s, m, h) from 1ms to 24h, such as 250ms, or none' },
);

const ofBoth = {
  timeout: timeout.optional().meta({
    description: 'Deadline of calls that have none, and the most that others get; or none',
  }),
  'idle-stream': time(100, 24 * hourMs, '100ms to 24h', '5m')
    .optional()
    .meta({ description: 'Time without a byte either way, for a call that has no deadline' }),
  balance: oneOf('two-choices', 'round-robin').optional().meta({ description: 'How an endpoint is chosen' }),
  flags: flagWords.optional().meta({ description: 'Flags and their variants, carried in baggage' }),
  retry: z
    .strictObject({
      attempts: whole(1, 5, 'a whole number from 1 to 5', 3)
        .optional()
        .meta({ description: 'Tries of one call in all; 1: it is never tried again' }),
    })
    .optional(),
};

const method: z.ZodType<MethodFile> = z.strictObject(ofBoth);

const methodName = text(
  'a method as metrics show it, or all methods of a gRPC service',
  '/shop.Inventory/Get or /shop.Inventory/*',
  /^\/[A-Za-z_][A-Za-z0-9_.]{0,254}\/(\*|[A-Za-z_][A-Za-z0-9_]{0,127})$/,
);

/** One policy. Every word may be absent: what is not said is left to the layers below. */
export const policySchema: z.ZodType<PolicyFile> = z.strictObject({
  ...ofBoth,
  connect: time(1, 60_000, '1ms to 1m', '2s')
    .optional()
    .meta({ description: 'Time to connect to an endpoint, TLS included' }),
  eject: z
    .strictObject({
      failures: whole(1, 1000, 'a whole number from 1 to 1000', 5)
        .optional()
        .meta({ description: "Failures in a row that shut an endpoint's gate" }),
    })
    .optional(),
  methods: z
    .record(methodName, method)
    .optional()
    .meta({ description: 'The same for one method; without `connect` and `eject`' }),
});

/** Policies of the file, by service. */
export const policiesSchema: z.ZodType<Record<string, PolicyFile>> = z.record(
  text(
    "a service name of lower-case letters, digits and hyphens (63 at most), or '*' for every service",
    'inventory',
    /^(\*|[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$/,
  ),
  policySchema,
);

/** One policy as JSON Schema. */
export const policyJsonSchema = (): Record<string, unknown> =>
  z.toJSONSchema(policySchema, { io: 'input', target: 'draft-2020-12' }) as Record<string, unknown>;
