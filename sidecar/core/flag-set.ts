/** What the answer of a flag may hang on: flagd's evaluation context. */
export interface FlagFacts {
  /** What a share of the callers is chosen by; the correlation id unless the settings name something else. */
  readonly targetingKey: string;
  /** Our own service. */
  readonly caller: string;
  /** The service that the call names. */
  readonly service: string;
  /** `/package.Service/Method`. */
  readonly method: string;
}

/** A flag and the variant that it was decided to be. */
export type FlagAnswer = readonly [flag: string, variant: string];

/** Definitions as they were read and checked, before anything is made of them. Plain. */
export interface FlagDefinitions {
  /** Eight hex digits of what they say, however they are written. */
  readonly version: string;
  /** The enabled flags; what is disabled has no answer. */
  readonly flags: readonly FlagDefinition[];
  /** flagd's `$evaluators`, rules that targeting refers to. */
  readonly evaluators: Readonly<Record<string, unknown>>;
  /** Where a flag stands, for messages: `outrigger/flags:3:5`. */
  readonly at: (flag: string) => string;
}

/** One flag of flagd's format. */
export interface FlagDefinition {
  readonly name: string;
  readonly variants: Readonly<Record<string, unknown>>;
  /** Null: where targeting says nothing there is no answer. */
  readonly defaultVariant: string | null;
  /** JsonLogic; null: every call gets the default. */
  readonly targeting: object | null;
}

/** Definitions that can be asked. Frozen, replaced whole. */
export interface FlagSet {
  readonly version: string;
  /** Where they stand, for people: `kv outrigger/flags`, `file /etc/outrigger/flags.json`. */
  readonly origin: string;
  /** The variants of each flag. */
  readonly variants: ReadonlyMap<string, readonly string[]>;
  /** The answers that hang on nothing. */
  readonly fixed: readonly FlagAnswer[];
  /** The other answers, for one call; null: there are none. Never throws. */
  readonly targeted: ((facts: FlagFacts) => readonly FlagAnswer[]) | null;
}

/** Definitions that are not used, or cannot be seen. */
export interface FlagFault {
  readonly origin: string;
  /** The cause, the place and the fix. */
  readonly problem: string;
}
