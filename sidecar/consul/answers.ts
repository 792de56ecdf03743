import { z } from 'zod';

export {
  type HeaderEntry,
  type IntentionEntry,
  type IntentionPermission,
  intentionsAnswer,
} from './intention-answers.ts';

/*
 * What is read of Consul's answers. Unknown fields are dropped: versions add them freely.
 *
 * Ports and addresses are judged by `sources/addresses.ts`, entry by entry: one bad registration must not hide
 * the others.
 */

const text = z.string().max(1024);

/** Of the metadata of a node or a service only this is read. */
type Meta = { zone?: string | undefined; 'outrigger-contract'?: string | undefined } | null | undefined;

// What is there is the registrant's to choose: what is no word is as if there were none, and hides no other instance.
const word = z.string().max(128).optional().catch(undefined);
const meta = z.object({ zone: word, 'outrigger-contract': word }).nullish().catch(undefined);

/** One instance in `/v1/health/connect/:service`. */
export interface ConnectEntry {
  Node: { Address: string; Meta?: Meta };
  Service: {
    ID: string;
    Service: string;
    Kind: string;
    Address: string;
    Port: number;
    Proxy?: { DestinationServiceName: string } | null | undefined;
    Connect?: { Native?: boolean | null | undefined } | null | undefined;
    Meta?: Meta;
  };
}

/** `/v1/health/connect/:service`. */
export const connectAnswer: z.ZodType<ConnectEntry[]> = z
  .array(
    z.object({
      Node: z.object({ Address: text.default(''), Meta: meta }),
      Service: z.object({
        ID: text,
        Service: text,
        Kind: text.default(''),
        Address: text.default(''),
        Port: z.number(),
        Proxy: z.object({ DestinationServiceName: text.default('') }).nullish(),
        Connect: z.object({ Native: z.boolean().nullish() }).nullish(),
        Meta: meta,
      }),
    }),
  )
  .max(20_000);

/** `/v1/agent/connect/authorize`. */
export interface Verdict {
  Authorized: boolean;
  Reason: string;
}

export const verdict: z.ZodType<Verdict> = z.object({
  Authorized: z.boolean(),
  Reason: z.string().default(''),
});

const pem = z
  .string()
  .includes('-----BEGIN CERTIFICATE-----')
  .max(256 * 1024);

/** `/v1/agent/connect/ca/roots`. */
export interface RootsAnswer {
  TrustDomain: string;
  Roots: { ID: string; RootCert: string; Active: boolean }[];
}

export const rootsAnswer: z.ZodType<RootsAnswer> = z.object({
  TrustDomain: text.min(1),
  Roots: z
    .array(z.object({ ID: text, RootCert: pem, Active: z.boolean().default(false) }))
    .min(1)
    .max(64),
});

/** `/v1/agent/connect/ca/leaf/:service`. */
export interface LeafAnswer {
  CertPEM: string;
  PrivateKeyPEM: string;
}

export const leafAnswer: z.ZodType<LeafAnswer> = z.object({
  CertPEM: pem,
  PrivateKeyPEM: z
    .string()
    .includes('-----BEGIN')
    .max(64 * 1024),
});

/** One key of `/v1/kv/:prefix?recurse`. */
export interface KvEntry {
  Key: string;
  /** Base64; null for an empty value. */
  Value: string | null;
}

export const kvAnswer: z.ZodType<KvEntry[]> = z
  .array(z.object({ Key: text, Value: z.string().nullable().default(null) }))
  .max(20_000);

/** The names in `/v1/catalog/services`, which has their tags too. */
export const catalogAnswer: z.ZodType<string[]> = z.record(z.string(), z.unknown()).transform(Object.keys);

/** `/v1/agent/service/:id`. */
export interface AgentService {
  ID: string;
  Service: string;
  Port: number;
}

export const agentService: z.ZodType<AgentService> = z.object({
  ID: text,
  Service: text,
  Port: z.number().default(0),
});

/** Answers of which only the headers count. */
export const nothing: z.ZodType<null> = z.unknown().transform(() => null);
