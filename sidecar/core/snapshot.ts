import type { Address } from './endpoint.ts';
import type { FlagFault, FlagSet } from './flag-set.ts';
import type { Permission } from './permission.ts';
import type { Policies, PolicyFault, PolicyRule } from './policy.ts';
import type { Routes } from './routes.ts';

/** What the mesh knows of one service. */
export interface ServiceView {
  readonly name: string;
  readonly endpoints: readonly Address[];
  /** Which source said so: `consul`, `static`. */
  readonly origin: string;
}

/** Who may call whom. `*` stands for any service. */
export interface Intention {
  readonly from: string;
  readonly to: string;
  readonly allow: boolean;
  /** What holds for single calls in the place of `allow`: the first that fits decides, then the default. */
  readonly permissions?: readonly Permission[];
}

/** The intentions that concern us as a callee, most exact first, and what holds where none matches. */
export interface Access {
  readonly intentions: readonly Intention[];
  /** Where no intention matches, and where none of the permissions of the one that does. */
  readonly allowByDefault: boolean;
  /** For messages: where the default comes from, such as `Consul has not answered yet`. */
  readonly because: string;
  /** Set while nobody has answered yet: the rules stand in for those that are awaited. */
  readonly awaited?: true;
}

/** One source's part of the snapshot, always whole. An absent part is another source's. */
export interface Slice extends Partial<Routes> {
  readonly origin: string;
  readonly services?: ReadonlyMap<string, ServiceView>;
  /** Names that were asked for and answered, with or without instances; `true` once seen with an instance. */
  readonly asked?: ReadonlyMap<string, boolean>;
  readonly access?: Access;
  readonly flags?: ReadonlyMap<string, string>;
  /** Definitions of flags; of several sources the last one's count, whole. */
  readonly flagSet?: FlagSet;
  /** Definitions that the source cannot use or see; those of all sources are shown. */
  readonly flagFaults?: readonly FlagFault[];
  /** What the source says of how calls are treated. Alone of the parts it hides no other source's: all are merged. */
  readonly policies?: readonly PolicyRule[];
  /** Policies that the source cannot use or see. */
  readonly policyFaults?: readonly PolicyFault[];
}

/** All that the mesh says, frozen. Replaced in one assignment, never edited. */
export interface Snapshot extends Routes {
  /** Grows by one with each change. */
  readonly version: number;
  /** Monotonic milliseconds when it was assembled. */
  readonly madeAt: number;
  readonly services: ReadonlyMap<string, ServiceView>;
  readonly asked: ReadonlyMap<string, boolean>;
  readonly access: Access;
  /** Static flags, `name` to `variant`, carried in baggage as `ff.<name>=<variant>`. */
  readonly flags: ReadonlyMap<string, string>;
  /** Definitions that decide the flags of a call tree; null: nobody has written any. */
  readonly flagSet: FlagSet | null;
  readonly flagFaults: readonly FlagFault[];
  /** How calls are treated, by the service that they name. */
  readonly policies: Policies;
}

/** Where snapshots come from, as the data path sees it. */
export interface Discovery {
  /**
   * Starts watching `service` if nobody does; the answer comes with a later snapshot. Said again while it is called:
   * what nobody wants is no longer watched.
   */
  want(service: string): void;
  /** What was asked of whom, for the message of a call to an unknown name. */
  describe(service: string): string;
}
