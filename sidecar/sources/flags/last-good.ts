import { Cell } from '../../core/cell.ts';
import type { FlagDefinitions, FlagFault, FlagSet } from '../../core/flag-set.ts';
import type { Kit } from '../../core/kit.ts';
import type { Slice } from '../../core/snapshot.ts';
import { lineOf } from '../../core/thrown.ts';
import { Newest } from '../newest.ts';
import type { CompileFlags } from './compile.ts';

/** Reads a document that stands at `key`; rejects with an error that names key, place and fix. */
export type ReadFlags = (text: string, key: string) => Promise<FlagDefinitions>;

/** Whose documents are read. */
export interface LastGoodOptions {
  /** `kv` or `file`: the slice's origin, and the metric's label. */
  readonly from: 'kv' | 'file';
  /** Where the document stands: a key, or a path. */
  readonly key: string;
  /** Settings own the schema. */
  readonly read: ReadFlags;
  readonly compile: CompileFlags;
  readonly kit: Kit;
}

/**
 * Holds the last good definitions of one place. Documents are read one at a time, and of those that come meanwhile the newest
 * alone; what cannot be read leaves the last good ones in force, and is logged, counted and shown.
 */
export class LastGood {
  readonly slice: Cell<Slice>;
  readonly #options: LastGoodOptions;
  readonly #origin: string;
  readonly #newest: Newest<string | null>;
  #set: FlagSet | null = null;
  #problem: string | null = null;
  /** Why the place cannot be read at all. */
  #unreadable: string | null = null;
  #closed = false;

  constructor(options: LastGoodOptions) {
    this.#options = options;
    this.#origin = `${options.from} ${options.key}`;
    this.slice = new Cell<Slice>({ origin: `flags-${options.from}` });
    this.#newest = new Newest<string | null>(
      async (text) => {
        await this.#take(text);
        if (!this.#closed) this.#publish();
      },
      () => this.#closed,
    );
  }

  /** What stands there now; null: nothing. */
  hear(text: string | null): Promise<void> {
    return this.#newest.hear(text);
  }

  /** Why nothing can be heard; null: it can. What was known holds. */
  unreadable(why: string | null): void {
    if (this.#closed || why === this.#unreadable) return;
    this.#unreadable = why;
    this.#publish();
  }

  /** Nothing is said any more. What the cell holds stays. */
  close(): void {
    this.#closed = true;
  }

  async #take(text: string | null): Promise<void> {
    const { read, compile, kit, key, from } = this.#options;
    if (text === null) {
      this.#problem = this.#set = null;
      return;
    }
    try {
      const definitions = await read(text, key);
      if (definitions.version !== this.#set?.version) this.#set = await compile(definitions, this.#origin);
      this.#problem = null;
      const { version, variants } = this.#set!;
      kit.log.info({ origin: this.#origin, version, flags: variants.size }, 'definitions of flags hold');
    } catch (thrown) {
      this.#problem = lineOf(thrown);
      kit.meter.count('outrigger_flag_definitions_refused_total', from).value++;
      kit.log.error(
        { origin: this.#origin, cause: this.#problem },
        this.#set === null
          ? 'bad definitions of flags are not used'
          : 'bad definitions of flags are not used; the last good ones hold',
      );
    }
  }

  #publish(): void {
    const origin = this.#origin;
    const problems = [this.#unreadable, this.#problem].filter((problem) => problem !== null);
    const flagFaults = problems.map((problem): FlagFault => ({ origin, problem }));
    const held = this.#set === null ? {} : { flagSet: this.#set };
    this.slice.set({ origin: this.slice.value.origin, flagFaults, ...held });
  }
}
