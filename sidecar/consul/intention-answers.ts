import { z } from 'zod';

const text = z.string().max(1024);

/** One rule in `/v1/connect/intentions/match`. */
export interface IntentionEntry {
  SourceName: string;
  DestinationName: string;
  /** `allow` or `deny`; empty where there are permissions per request. */
  Action: string;
  /** Since 1.9: what holds for single requests, the first that fits deciding. */
  Permissions: IntentionPermission[];
  /** Set in newer versions where the source lives in another cluster. */
  SourcePeer: string;
  /** What else narrows or widens the rule, in words: each is something that we do not keep. */
  beyond: string[];
}

/** One permission; `unclear` says why it could not be read. */
export type IntentionPermission = PermissionEntry | { unclear: string };

/** What a permission allows or denies. Empty texts and lists ask for nothing. */
export interface PermissionEntry {
  Action: 'allow' | 'deny';
  HTTP: {
    PathExact: string;
    PathPrefix: string;
    PathRegex: string;
    Header: HeaderEntry[];
    Methods: string[];
  };
}

/** What a permission asks of a header. */
export interface HeaderEntry {
  Name: string;
  Present: boolean;
  Exact: string;
  Prefix: string;
  Suffix: string;
  Contains: string;
  Regex: string;
  Invert: boolean;
  IgnoreCase: boolean;
}

const list = <T>(of: z.ZodType<T>): z.ZodType<T[]> =>
  z
    .array(of)
    .max(1000)
    .nullish()
    .transform((all) => all ?? []);

/** Strict: a word that we do not know may change what the others mean. */
const permission: z.ZodType<PermissionEntry> = z.strictObject({
  Action: z.enum(['allow', 'deny']),
  HTTP: z.strictObject({
    PathExact: text.default(''),
    PathPrefix: text.default(''),
    PathRegex: text.default(''),
    Header: list(
      z.strictObject({
        Name: text.min(1),
        Present: z.boolean().default(false),
        Exact: text.default(''),
        Prefix: text.default(''),
        Suffix: text.default(''),
        Contains: text.default(''),
        Regex: text.default(''),
        Invert: z.boolean().default(false),
        IgnoreCase: z.boolean().default(false),
      }),
    ),
    Methods: list(text),
  }),
});

/** One that cannot be read must not hide the others: it is kept with its reason. */
const permissionOrWhy: z.ZodType<IntentionPermission> = z
  .unknown()
  .transform((value): IntentionPermission => {
    const read = permission.safeParse(value);
    if (read.success) return read.data;
    const [issue] = read.error.issues;
    return { unclear: `${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'unknown form'}`.slice(0, 200) };
  });

const ordinary = ['', 'default'];

const intentionEntry: z.ZodType<IntentionEntry> = z
  .object({
    SourceName: text,
    DestinationName: text,
    Action: text.default(''),
    Permissions: list(permissionOrWhy),
    SourcePeer: text.default(''),
    SourceNS: text.default(''),
    DestinationNS: text.default(''),
    SourcePartition: text.default(''),
    DestinationPartition: text.default(''),
    SourceSamenessGroup: text.default(''),
    SourceType: text.default(''),
    JWT: z.unknown().optional(),
  })
  .transform(({ SourceName, DestinationName, Action, Permissions, SourcePeer, ...rest }) => {
    const beyond: string[] = [];
    for (const key of ['SourcePartition', 'DestinationPartition'] as const)
      if (!ordinary.includes(rest[key])) beyond.push(`${key} ${rest[key]}`);
    for (const key of ['SourceNS', 'DestinationNS'] as const)
      if (!ordinary.includes(rest[key]) && rest[key] !== '*') beyond.push(`${key} ${rest[key]}`);
    if (rest.SourceSamenessGroup !== '') beyond.push(`SourceSamenessGroup ${rest.SourceSamenessGroup}`);
    if (rest.SourceType !== '' && rest.SourceType !== 'consul') beyond.push(`SourceType ${rest.SourceType}`);
    if (rest.JWT != null) beyond.push('JWT');
    return { SourceName, DestinationName, Action, Permissions, SourcePeer, beyond };
  });

/** `{ "<service>": [...] }`, or null in the place of the list when none matches. */
export const intentionsAnswer: z.ZodType<Record<string, IntentionEntry[] | null>> = z.record(
  z.string(),
  z.array(intentionEntry).max(20_000).nullable(),
);
