import { z } from 'zod';

/*
 * `/v1/discovery-chain/:service`. What a route or a resolver says is kept as it came: what we do not know must be
 * named, and so must not be dropped here.
 */

/** Words of a config entry, by Consul's names. */
export type EntryWords = Readonly<Record<string, unknown>>;

/** A router, a splitter or a resolver of a chain. */
export interface ChainNode {
  readonly Type: string;
  readonly Name: string;
  readonly Routes?: readonly ChainRoute[] | null | undefined;
  readonly Splits?: readonly ChainSplit[] | null | undefined;
  readonly Resolver?: EntryWords | null | undefined;
  readonly LoadBalancer?: EntryWords | null | undefined;
}

/** One route of a router, as it was written, and the node where it goes on. */
export interface ChainRoute {
  readonly Definition: { readonly Match?: EntryWords | null; readonly Destination?: EntryWords | null };
  readonly NextNode: string;
}

/** One side of a splitter. */
export interface ChainSplit extends EntryWords {
  readonly Weight: number;
  readonly NextNode: string;
}

/** Where calls end. */
export interface ChainTarget {
  readonly ID: string;
  readonly Service: string;
  readonly Namespace: string;
  readonly Partition: string;
  readonly Peer: string;
  readonly Datacenter: string;
  readonly MeshGateway?: EntryWords | null | undefined;
  /** It is reached by another TLS name than its own. */
  readonly External: boolean;
  readonly Subset?: { readonly Filter: string } | null | undefined;
}

/** A compiled chain. */
export interface ChainAnswer {
  readonly Datacenter: string;
  readonly Protocol: string;
  readonly StartNode: string;
  readonly Nodes: Readonly<Record<string, ChainNode>>;
  readonly Targets: Readonly<Record<string, ChainTarget>>;
}

const name = z.string().max(1024);
const entryWords = z.record(z.string(), z.unknown());
const most = 1000;

const fewer = <V extends z.ZodType>(value: V): z.ZodType<Record<string, z.output<V>>> =>
  z
    .record(z.string(), value)
    .refine((all) => Object.keys(all).length <= most, `more than ${most}`) as unknown as z.ZodType<
    Record<string, z.output<V>>
  >;

const node = z.object({
  Type: name,
  Name: name.default(''),
  Routes: z
    .array(
      z.object({
        Definition: z
          .object({
            Match: entryWords.nullable().default(null),
            Destination: entryWords.nullable().default(null),
          })
          .nullish()
          .transform((definition) => definition ?? { Match: null, Destination: null }),
        NextNode: name,
      }),
    )
    .max(most)
    .nullish(),
  Splits: z
    .array(z.looseObject({ Weight: z.number().min(0), NextNode: name }))
    .max(most)
    .nullish(),
  Resolver: entryWords.nullish(),
  LoadBalancer: entryWords.nullish(),
});

const target = z.object({
  ID: name,
  Service: name,
  Namespace: name.default(''),
  Partition: name.default(''),
  Peer: name.default(''),
  Datacenter: name.default(''),
  MeshGateway: entryWords.nullish(),
  External: z.boolean().default(false),
  Subset: z.object({ Filter: z.string().max(8192).default('') }).nullish(),
});

/** The chain in an answer; `Nodes` and `Targets` have at most 1,000 each. */
export const chainAnswer: z.ZodType<ChainAnswer> = z
  .object({
    Chain: z.object({
      Datacenter: name.default(''),
      Protocol: name.default(''),
      StartNode: name,
      Nodes: fewer(node),
      Targets: fewer(target),
    }),
  })
  .transform(({ Chain }) => Chain);
