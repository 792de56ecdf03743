import type { KvEntry } from '../consul/answers.ts';
import type { Answer, ConsulDoor, Question } from '../consul/door.ts';
import { ConsulError } from '../consul/errors.ts';
import { lossesOf } from '../consul/losses.ts';
import { watch } from '../consul/watch.ts';
import type { Kit } from '../core/kit.ts';

/** What is watched, and who hears of it. */
export interface KvTreeOptions {
  readonly door: Pick<ConsulDoor, 'kv' | 'look' | 'polls' | 'url'>;
  readonly kit: Kit;
  readonly signal: AbortSignal;
  /** All keys that begin so. */
  readonly prefix: string;
  /** What is in it, for metrics and the log: `policies`. */
  readonly kind: string;
  readonly hear: (entries: readonly KvEntry[]) => void;
  /** The token has got or lost the right to read it. */
  readonly rightChanged: () => void;
}

/**
 * Watches the keys below a prefix of Consul's KV.
 *
 * A tree that is empty all of a sudden is not believed before a consistent read confirms it, and never while the token
 * may not read it: Consul answers such a token as if there were nothing.
 */
export class KvTree {
  readonly #options: KvTreeOptions;
  readonly #stop: AbortController = new AbortController();
  readonly #close = (): void => this.close();
  #held: KvEntry[] = [];
  #mayRead: boolean | null = null;
  #trouble: string | null = null;

  constructor(options: KvTreeOptions) {
    const { door, kit, signal, prefix, kind, hear } = options;
    this.#options = options;
    signal.addEventListener('abort', this.#close, { once: true });
    if (signal.aborted) this.close();
    else
      void watch<KvEntry[]>({
        kind,
        about: prefix,
        ask: (question) => this.#ask(question),
        hear: (entries) => {
          this.#held = entries;
          hear(entries);
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

  /** Whether the token may read the tree; null: it is not known. */
  get mayRead(): boolean | null {
    return this.#mayRead;
  }

  get isClosed(): boolean {
    return this.#stop.signal.aborted;
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
    const { door, prefix } = this.#options;
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
      const { status, text } = await door.look(`/kv/${prefix.replace(/\/$/, '')}?stale`, question.signal);
      if (isRefusal(status)) {
        this.#mayNotRead();
        return { ...answer, value: this.#held };
      }
      // An agent that cannot say (it is too busy, or has no leader) must not make an empty tree believed.
      if (status !== 200 && status !== 404) throw new ConsulError('status', text, status);
    }
    const wasRefused = this.#mayRead === false;
    this.#mayRead = true;
    if (wasRefused) this.#options.rightChanged();
    return answer;
  }

  #mayNotRead(): void {
    const { kit, door, kind, rightChanged } = this.#options;
    if (this.#mayRead === false) return;
    // A token that never had the right is told of by who proves the rights at the start.
    if (this.#mayRead === true)
      kit.log.warn({ consul: door.url }, `the ACL token has lost the right to read ${kind}: ${noRight}`);
    this.#mayRead = false;
    rightChanged();
  }
}

/** What a token without the right is told. */
export const noRight =
  'the ACL token may not read it, and what was known holds: add key_prefix "outrigger/" { policy = "read" } to a policy of the token';

const isRefusal = (status: number): boolean => status === 403 || status === 401;

const keyOf = ({ Key }: KvEntry): string => Key;
