import { setImmediate as nextTurn } from 'node:timers/promises';
import type { KvEntry } from '../consul/answers.ts';
import type { ConsulDoor } from '../consul/door.ts';
import { Cell } from '../core/cell.ts';
import type { Kit } from '../core/kit.ts';
import type { PolicyFault, PolicyRule } from '../core/policy.ts';
import type { Slice } from '../core/snapshot.ts';
import { lineOf } from '../core/thrown.ts';
import { KvTree, noRight } from './kv-tree.ts';
import { Newest } from './newest.ts';
import type { Source } from './source.ts';

/** Reads the policy of `service` that stands at `key`; rejects with an error that names key, place and fix. */
export type ReadPolicy = (text: string, key: string, service: string) => Promise<readonly PolicyRule[]>;

/** What the source of policies needs. */
export interface PoliciesSourceOptions {
  readonly door: Pick<ConsulDoor, 'kv' | 'look' | 'polls' | 'url'>;
  /** Settings own the schema. */
  readonly read: ReadPolicy;
  readonly kit: Kit;
  readonly signal: AbortSignal;
}

const prefix = 'outrigger/policy/';
/** Policies that are read at most. Known ones go first: a flood of new keys pushes none out. */
const mostPolicies = 256;

/** What a key held when it was read last. */
interface Document {
  /** As Consul gave it, to see whether it has changed. */
  readonly value: string | null;
  /** The last good ones. */
  readonly rules: readonly PolicyRule[];
  /** Why the value is not used; null when it is. */
  readonly problem: string | null;
}

/**
 * Policies from Consul's KV, `outrigger/policy/<service>`: one document for each service, `*` for all.
 *
 * What cannot be read leaves the last good policy of its key in force, and is logged, counted and shown. A tree that
 * is empty all of a sudden is not believed before a consistent read confirms it, and never while the token may not
 * read it: Consul answers such a token as if there were nothing.
 */
export const policiesSource = (options: PoliciesSourceOptions): Source => new PoliciesSource(options);

class PoliciesSource implements Source {
  readonly slice: Cell<Slice> = new Cell<Slice>({ origin: 'kv' });
  readonly #options: PoliciesSourceOptions;
  readonly #tree: KvTree;
  #documents: ReadonlyMap<string, Document> = new Map();
  #crowded: readonly string[] = [];
  /** The tree was read once: an empty list means that there are none. */
  #isRead = false;

  constructor(options: PoliciesSourceOptions) {
    const { door, kit, signal } = options;
    this.#options = options;
    const newest = new Newest<readonly KvEntry[]>(
      (entries) => this.#readAll(entries),
      () => this.#tree.isClosed,
    );
    this.#tree = new KvTree({
      door,
      kit,
      signal,
      prefix,
      kind: 'policies',
      hear: (entries) => void newest.hear(entries),
      rightChanged: () => this.#publish(),
    });
  }

  /** Every policy is watched, whatever is called. */
  want(): void {}

  describe(): string {
    return '';
  }

  trouble(): string | null {
    return this.#tree.trouble();
  }

  close(): void {
    this.#tree.close();
  }

  /** Reads what has changed. */
  async #readAll(entries: readonly KvEntry[]): Promise<void> {
    const known = entries.filter(({ Key }) => this.#documents.has(Key));
    const fresh = entries.filter(({ Key }) => !this.#documents.has(Key) && Key !== prefix);
    const documents = new Map<string, Document>();
    for (const entry of [...known, ...fresh].slice(0, mostPolicies)) {
      const before = this.#documents.get(entry.Key);
      if (before?.value === entry.Value) documents.set(entry.Key, before);
      else {
        documents.set(entry.Key, await this.#readOne(entry, before));
        await nextTurn();
      }
    }
    this.#documents = documents;
    this.#isRead = true;
    this.#crowded = [...known, ...fresh].slice(mostPolicies).map(keyOf);
    if (!this.#tree.isClosed) this.#publish();
  }

  async #readOne({ Key, Value }: KvEntry, before: Document | undefined): Promise<Document> {
    const { kit, read } = this.#options;
    const service = Key.slice(prefix.length);
    try {
      if (!isName.test(service))
        throw new Error(
          `${Key}: '${service.slice(0, 64)}' is not the name of a service, and not '*': delete it`,
        );
      const rules = await read(Buffer.from(Value ?? '', 'base64').toString('utf8'), Key, service);
      kit.log.info({ key: Key, rules: rules.length }, 'a policy from KV holds');
      return { value: Value, rules, problem: null };
    } catch (thrown) {
      const problem = lineOf(thrown);
      const rules = before?.rules ?? [];
      kit.meter.count('outrigger_policies_refused_total', isName.test(service) ? service : 'none').value++;
      kit.log.error(
        { key: Key, cause: problem },
        rules.length > 0
          ? 'a bad policy in KV is not used; the last good one of its key holds'
          : 'a bad policy in KV is not used; its key says nothing',
      );
      return { value: Value, rules, problem };
    }
  }

  #publish(): void {
    const faults: PolicyFault[] = [];
    if (this.#tree.mayRead === false) faults.push({ origin: `kv ${prefix}`, problem: noRight });
    for (const [key, { problem }] of this.#documents)
      if (problem !== null) faults.push({ origin: `kv ${key}`, problem });
    const [first, ...others] = this.#crowded;
    if (first !== undefined)
      faults.push({
        origin: `kv ${first}`,
        problem: `is not read, and ${others.length} more: ${mostPolicies} policies are; delete some, or use '*'`,
      });
    const policies = [...this.#documents.values()].flatMap(({ rules }) => rules);
    this.slice.set({ origin: 'kv', policyFaults: faults, ...(this.#isRead && { policies }) });
  }
}

const isName = /^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,127})$/;

const keyOf = ({ Key }: KvEntry): string => Key;
