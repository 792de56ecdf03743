import type { Cell } from '../core/cell.ts';
import type { Identity, IdentityKind } from '../core/identity.ts';

/** Where our identity comes from, and where it is now. */
export interface IdentitySource {
  readonly kind: IdentityKind;
  /** Replaced whole at each rotation; null until there is one, and for ever with `none`. */
  readonly identity: Cell<Identity | null>;
  /** Why there is no identity, or why it could not be renewed, for messages; null when all is well. */
  trouble(): string | null;
  /** Whether a certificate with a third of its life left should have been renewed by now. */
  isDue(): boolean;
  /** True while an identity of an earlier run stands in for one that has not come yet. */
  standsIn(): boolean;
  /** Ends watching. What the cell holds stays. */
  close(): void;
}
