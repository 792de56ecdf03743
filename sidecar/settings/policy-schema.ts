import { z } from 'zod';
import type { Fault, PolicyWords } from '../core/policy.ts';
import { Code, codeNames } from '../core/status.ts';
import { readDuration } from '../core/units.ts';
import { flagWords, oneOf, placement, reading, serviceName, text, whole } from './shapes.ts';

/** Words that are about a whole service: its calls share connections, endpoints and budgets. */
type ServiceWord =
  | 'budget'
  | 'tokens'
  | 'connect'
  | 'eject'
  | 'breaker'
  | 'throttle'
  | 'limit'
  | 'slow-start'
  | 'zone'
  | 'placement';

/** What may be said of one method. */
export type MethodFile = Omit<PolicyWords, ServiceWord>;

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
const nothing = z.literal('none').transform(() => null);
const hour: readonly [number, number, string] = [1, 24 * hourMs, '1ms to 24h'];
const timeout: z.ZodType<number | null, string> = z.union([nothing, time(...hour, '250ms')], {
  error: () => 'must be a time with its unit (ms, s, m, h) from 1ms to 24h, such as 250ms, or none',
});
const mode = oneOf('off', 'shadow', 'on')
  .optional()
  .meta({ description: 'Whether it acts, or only counts what it would have done' });
const percent = (description: string): z.ZodOptional<z.ZodInt> =>
  whole(0, 100, 'a whole number of percent from 0 to 100', 20).optional().meta({ description });
const count = (least: number, most: number, example: number, description: string): z.ZodOptional<z.ZodInt> =>
  whole(least, most, `a whole number from ${least} to ${most}`, example).optional().meta({ description });
const yesOrNo = (description: string): z.ZodOptional<z.ZodBoolean> =>
  z
    .boolean({ error: () => 'must be true or false' })
    .optional()
    .meta({ description });
const number = (least: number, most: number, example: number): z.ZodNumber => {
  const error = (): string => `must be a number from ${least} to ${most}, such as ${example}`;
  return z.number({ error }).min(least, { error }).max(most, { error });
};
/** A gRPC code by its name. */
const code = z
  .enum(codeNames.slice(1) as [string, ...string[]], {
    error: () => 'must be the name of a gRPC code, such as UNAVAILABLE',
  })
  .transform((name) => Code[name as keyof typeof Code]);
/** One of those after which a call is tried again. */
const retried = code.refine((value) => value !== Code.DEADLINE_EXCEEDED, {
  error: () => 'must not be DEADLINE_EXCEEDED: the deadline is of all tries together, and is over then',
});

const fault: z.ZodType<Fault> = z
  .strictObject({
    percent: number(0, 100, 0.1).meta({ description: 'Share of the calls' }),
    delay: time(...hour, '100ms')
      .optional()
      .meta({ description: 'What they wait first' }),
    abort: z
      .union([oneOf('reset', 'drop'), code], {
        error: () => "must be 'reset', 'drop' or the name of a gRPC code, such as UNAVAILABLE",
      })
      .optional()
      .meta({ description: 'How they end then: a code, a reset, or silence; absent: they go on' }),
  })
  .refine(({ delay, abort }) => delay !== undefined || abort !== undefined, {
    error: () => "must say what happens: add 'delay' or 'abort'",
  });

const ofBoth = {
  timeout: timeout.optional().meta({
    description: 'Deadline of calls that have none, and the most that others get; or none',
  }),
  'unary-timeout': timeout.optional().meta({
    description: 'Deadline of calls that have none and are known to be unary; or none',
  }),
  'idle-stream': time(100, 24 * hourMs, '100ms to 24h', '5m')
    .optional()
    .meta({ description: 'Time without a byte either way, for a call that has no deadline' }),
  unary: yesOrNo('One message each way; the contract says so where it can be had'),
  idempotent: yesOrNo('May be executed twice; the contract says so where it can be had'),
  balance: oneOf('peak-ewma', 'two-choices', 'round-robin')
    .optional()
    .meta({ description: 'How an endpoint is chosen' }),
  flags: flagWords.optional().meta({ description: 'Flags and their variants, carried in baggage' }),
  retry: z
    .strictObject({
      attempts: count(1, 5, 3, 'Tries of one call in all; 1: it is never tried again'),
      codes: z
        .array(retried)
        .max(16)
        .optional()
        .meta({ description: 'Tried again where the method is idempotent' }),
      'first-wait': time(...hour, '25ms')
        .optional()
        .meta({ description: 'Before the first repetition' }),
      'longest-wait': time(...hour, '250ms')
        .optional()
        .meta({ description: 'No wait is longer' }),
    })
    .optional(),
  hedge: z
    .strictObject({
      after: z
        .union([nothing, z.literal('p95'), time(...hour, '50ms')], {
          error: () => 'must be a time with its unit (ms, s, m, h), such as 50ms, or p95, or none',
        })
        .optional()
        .meta({ description: 'When another attempt begins beside a silent one: a time, p95, or none' }),
      attempts: count(2, 5, 2, 'Attempts of one call in all'),
    })
    .optional(),
  doomed: z.strictObject({ mode }).optional(),
  faults: z.array(fault).max(16).optional().meta({ description: 'Faults made on purpose, where enabled' }),
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
  budget: z
    .strictObject({
      mode,
      percent: percent('Repetitions and hedges may add so much of the calls'),
      floor: count(0, 1000, 2, 'And so many a second'),
    })
    .optional(),
  tokens: z
    .strictObject({
      most: z
        .union([nothing, whole(1, 1000, 'a whole number from 1 to 1000', 10)], {
          error: () => 'must be a whole number from 1 to 1000, such as 10, or none',
        })
        .optional()
        .meta({ description: "Tokens of gRPC's retryThrottling; or none" }),
      ratio: number(0.001, 1, 0.1).optional().meta({ description: 'What a call that goes well gives back' }),
    })
    .optional(),
  connect: time(1, 60_000, '1ms to 1m', '2s')
    .optional()
    .meta({ description: 'Time to connect to an endpoint, TLS included' }),
  eject: z
    .strictObject({
      mode,
      failures: count(1, 1000, 5, "Failures in a row that shut an endpoint's gate"),
      success: percent('Share of calls that must go well within ten seconds'),
      calls: count(1, 10_000, 5, 'Calls without which the share says nothing'),
      most: percent("Share of a service's endpoints that may be out"),
    })
    .optional(),
  breaker: z
    .strictObject({ mode, failures: count(1, 1000, 5, "Failures in a row that shut the service's gate") })
    .optional(),
  throttle: z
    .strictObject({
      mode,
      factor: number(1.1, 100, 2)
        .optional()
        .meta({ description: 'Calls per accepted one that may be tried' }),
    })
    .optional(),
  limit: z
    .strictObject({
      'in-flight': count(1, 1_000_000, 1024, 'Calls in flight'),
      waiting: count(0, 1_000_000, 1024, 'Calls that wait for one to end'),
    })
    .optional(),
  'slow-start': time(0, hourMs, '0ms to 1h', '10s')
    .optional()
    .meta({ description: 'Time in which a new endpoint gets up to its full share' }),
  zone: oneOf('prefer', 'ignore')
    .optional()
    .meta({ description: 'Whether endpoints of our zone come first' }),
  placement: placement.optional().meta({ description: 'Where calls of an app that hosts the service go' }),
  methods: z
    .record(methodName, method)
    .optional()
    .meta({ description: 'The same for one method; without what is about a whole service' }),
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

/** Whose faults act. */
export const faultsSchema: z.ZodType<{ policies: boolean; from: string[] }> = z.strictObject({
  policies: z
    .boolean({ error: () => 'must be true or false' })
    .prefault(false)
    .meta({ description: '`faults` of policies, on calls that leave' }),
  from: z
    .array(serviceName)
    .prefault([])
    .meta({ description: 'Services whose `x-outrigger-fault` acts, on calls that come in' }),
});

/** One policy as JSON Schema. */
export const policyJsonSchema = (): Record<string, unknown> =>
  z.toJSONSchema(policySchema, { io: 'input', target: 'draft-2020-12' }) as Record<string, unknown>;
