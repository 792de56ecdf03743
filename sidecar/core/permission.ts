/** What a permission asks of one header of a call. */
export interface HeaderRule {
  /** Lower case. */
  readonly name: string;
  readonly ask: 'present' | 'exact' | 'prefix' | 'suffix' | 'contains' | 'regex';
  /** What is compared with; empty where the header must only be there. */
  readonly text: string;
  readonly ignoreCase: boolean;
  /** Holds where it would not, and the other way round. */
  readonly invert: boolean;
}

/** What an intention says of certain calls of a caller: of those for which all holds that is asked. */
export interface Permission {
  readonly allow: boolean;
  /** Null: any. */
  readonly path: { readonly ask: 'exact' | 'prefix' | 'regex'; readonly text: string } | null;
  readonly headers: readonly HeaderRule[];
  /** HTTP methods in upper case; empty for any. */
  readonly methods: readonly string[];
  /** Why it was not understood, or null. One that was not refuses every call that comes to it. */
  readonly unclear: string | null;
}

/** A permission that was not understood. */
export const unclear = (why: string): Permission =>
  Object.freeze({ allow: false, path: null, headers: [], methods: [], unclear: why });
