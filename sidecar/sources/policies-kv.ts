import { setImmediate as nextTurn } from 'node:timers/promises';
import type { KvEntry } from '../consul/answers.ts';
import type { Answer, ConsulDoor, Question } from '../consul/door.ts';
import { ConsulError } from '../consul/errors.ts';
import { lossesOf } from '../consul/losses.ts';
import { watch } from '../consul/watch.ts';
import { Cell } from '../core/cell.ts';
import type { Kit } from '../core/kit.ts';
import type { PolicyFault, PolicyRule } from '../core/policy.ts';
import type { Slice } from '../core/snapshot.ts';
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
  readonly #stop: AbortController = new AbortController();
  readonly #close = (): void => this.close();
  #held: KvEntry[] = [];
  #documents: ReadonlyMap<string, Document> = new Map();
  #crowded: readonly string[] = [];
  /** Whether the token may read the tree; null: it is not known. */
  #mayRead: boolean | null = null;
  /** The tree was read once: an empty list means that there are none. */
  #isRead = false;
  #next: readonly KvEntry[] | null = null;
  #busy = false;
  #trouble: string | null = null;

  constructor(options: PoliciesSourceOptions) {
    const { door, kit, signal } = options;
    this.#options = options;
    signal.addEventListener('abort', this.#close, { once: true });
    if (signal.aborted) this.close();
    else
      void watch<KvEntry[]>({
        kind: 'policies',
        about: prefix,
        ask: (question) => this.#ask(question),
        hear: (entries) => {
          this.#held = entries;
          void this.#read(entries);
        },
        trouble: (error) => {
          this.#trouble = error?.message ?? null;
        },
        losses: (held, now) => lossesOf(held.map(keyOf), now.map(keyOf)),
        mode: 'stale',
        polls: door.polls,
        kit,
        signal: this.#stop.signal,
      });
  }

  /** Every policy is watched, whatever is called. */
  want(): void {}

  describe(): string {
    return '';
  }

  trouble(): string | null {
    return this.#trouble ?? (this.#mayRead === false ? noRight : null);
  }

  close(): void {
    this.#options.signal.removeEventListener('abort', this.#close);
    this.#stop.abort();
  }

  /** The tree, or what was there before while the token may not read it. */
  async #ask(question: Question): Promise<Answer<KvEntry[]>> {
    const { door } = this.#options;
    const answer = await door.kv(prefix, question).catch((thrown) => {
      // Where lists need a right of their own (acl.enable_key_list_policy) they are refused.
      if (thrown instanceof ConsulError && isRefusal(thrown.status)) return null;
      throw thrown;
    });
    if (answer === null) {
      this.#mayNotRead();
      return { value: this.#held, index: null, lastContactMs: 0, knownLeader: true };
    }
    // Asked once while there is nothing, and again each time that everything seems to be gone.
    if (answer.value.length === 0 && (this.#mayRead !== true || this.#held.length > 0)) {
      const { status, text } = await door.look(`/kv/${prefix.slice(0, -1)}?stale`, question.signal);
      if (isRefusal(status)) {
        this.#mayNotRead();
        return { ...answer, value: this.#held };
      }
      // An agent that cannot say (it is too busy, or has no leader) must not make an empty tree believed.
      if (status !== 200 && status !== 404) throw new ConsulError('status', text, status);
    }
    const wasRefused = this.#mayRead === false;
    this.#mayRead = true;
    if (wasRefused) this.#publish();
    return answer;
  }

  #mayNotRead(): void {
    const { kit, door } = this.#options;
    if (this.#mayRead === false) return;
    // A token that never had the right is told of by who proves the rights at the start.
    if (this.#mayRead === true)
      kit.log.warn({ consul: door.url }, `the ACL token has lost the right to read policies: ${noRight}`);
    this.#mayRead = false;
    this.#publish();
  }

  /** Reads what has changed, one at a time and the newest last. */
  async #read(entries: readonly KvEntry[]): Promise<void> {
    this.#next = entries;
    if (this.#busy) return;
    this.#busy = true;
    while (this.#next !== null && !this.#stop.signal.aborted) {
      const now = this.#next;
      this.#next = null;
      await this.#readAll(now);
    }
    this.#busy = false;
  }

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
    if (!this.#stop.signal.aborted) this.#publish();
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
      const problem = said(thrown);
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
    if (this.#mayRead === false) faults.push({ origin: `kv ${prefix}`, problem: noRight });
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

const noRight =
  'the ACL token may not read it, and what was known holds: add key_prefix "outrigger/" { policy = "read" } to a policy of the token';

/** All that is wrong, in one line. */
const said = (thrown: unknown): string =>
  (thrown instanceof Error ? thrown.message : String(thrown)).replaceAll('\n', '; ').slice(0, 1000);

const isName = /^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,127})$/;

const isRefusal = (status: number): boolean => status === 403 || status === 401;

const keyOf = ({ Key }: KvEntry): string => Key;
