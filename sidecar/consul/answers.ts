import { z } from 'zod';

/**
 * What is read of Consul's answers. Unknown fields are dropped: versions add them freely.
 *
 * Ports are checked by `sources/addresses.ts`, entry by entry: one bad registration must not hide the others.
 */

const text = z.string().max(1024);
const map = z.record(z.string(), z.string()).nullish();

/** One instance in `/v1/health/connect/:service`. */
export const connectEntry = z.object({
  Node: z.object({ Node: text.default(''), Address: text.default('') }),
  Service: z.object({
    ID: text,
    Service: text,
    Kind: text.default(''),
    Address: text.default(''),
    Port: z.number(),
    Meta: map,
    Proxy: z.object({ DestinationServiceName: text.default('') }).nullish(),
    Connect: z.object({ Native: z.boolean().nullish() }).nullish(),
  }),
});
export type ConnectEntry = z.infer<typeof connectEntry>;

export const connectAnswer: z.ZodType<ConnectEntry[]> = z.array(connectEntry).max(20_000);

/** One rule in `/v1/connect/intentions/match`. Without `Action` it has permissions per request, which we cannot judge. */
export const intentionEntry = z.object({
  SourceName: text,
  DestinationName: text,
  Action: text.default(''),
  Precedence: z.number().default(0),
  SourcePeer: text.default(''),
});
export type IntentionEntry = z.infer<typeof intentionEntry>;

/** `{ "<service>": [...] }`, or null in the place of the list when none matches. */
export const intentionsAnswer: z.ZodType<Record<string, IntentionEntry[] | null>> = z.record(
  z.string(),
  z.array(intentionEntry).max(20_000).nullable(),
);

/** `/v1/agent/connect/authorize`. */
export const verdict = z.object({ Authorized: z.boolean(), Reason: z.string().default('') });
export type Verdict = z.infer<typeof verdict>;

const pem = z
  .string()
  .includes('-----BEGIN CERTIFICATE-----')
  .max(256 * 1024);

/** `/v1/agent/connect/ca/roots`. */
export const rootsAnswer = z.object({
  TrustDomain: text.min(1),
  Roots: z
    .array(z.object({ ID: text, RootCert: pem, Active: z.boolean().default(false) }))
    .min(1)
    .max(64),
});
export type RootsAnswer = z.infer<typeof rootsAnswer>;

/** `/v1/agent/connect/ca/leaf/:service`. */
export const leafAnswer = z.object({
  CertPEM: pem,
  PrivateKeyPEM: z
    .string()
    .includes('-----BEGIN')
    .max(64 * 1024),
  Service: text.default(''),
});
export type LeafAnswer = z.infer<typeof leafAnswer>;

/** `/v1/catalog/services`: names to tags. */
export const catalogAnswer: z.ZodType<Record<string, unknown>> = z.record(z.string(), z.unknown());

/** One service of `/v1/agent/services` or `/v1/agent/service/:id`. */
export const agentService = z.object({ ID: text, Service: text, Port: z.number().default(0) });
export type AgentService = z.infer<typeof agentService>;

/** `/v1/agent/services`: ids to services. */
export const agentServices: z.ZodType<Record<string, AgentService>> = z.record(z.string(), agentService);

/** Answers that say nothing we need. */
export const nothing: z.ZodType<unknown> = z.unknown();
