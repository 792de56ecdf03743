import type { Cell } from '../core/cell.ts';
import type { Discovery, Slice } from '../core/snapshot.ts';

/** Where one slice of the snapshot comes from: Consul, a file. */
export interface Source extends Discovery {
  /** Replaced whole at each change; the source alone writes it. */
  readonly slice: Cell<Slice>;
  /** What keeps the source from knowing better, for messages and readiness; null when all is well. */
  trouble(): string | null;
  /** True while it hears nothing at all, where trouble may be about one name; absent: whenever there is trouble. */
  away?(): boolean;
  /** Given by whoever carries the calls: whether any to that service are in flight. Such a name stays watched. */
  heed?(isBusy: (service: string) => boolean): void;
  /** Ends every watch. What the cell holds stays. */
  close(): void;
}
