import { type Hop, hopOf, withHop } from './ledger-text.ts';
import type { Life } from './life.ts';

/** What a call that left has cost whoever waited for it. */
interface Account {
  readonly bornAt: number;
  readonly endedAt: number;
  readonly tookMs: number;
  readonly ledger: string;
}

/** Calls that are remembered; an account is at most 1 KiB. */
const mostAccounts = 512;
/** After so many milliseconds nobody waits for what an account would explain. */
const keptMs = 30_000;

/**
 * Accounts remembers what calls that left have cost, so that the call on whose behalf they were made can say so.
 *
 * Apps pass on neither trailers nor tokens of ours, but all pass on the correlation id, and a call that was made on
 * behalf of another lies within it. What goes well and quickly is never remembered, so that it costs nothing.
 */
export class Accounts {
  /** Of the service that this sidecar serves, for the text. */
  readonly name: string;
  readonly #running: Map<string, Life> = new Map();
  readonly #ended: Map<string, Account> = new Map();

  constructor(name: string) {
    this.name = name;
  }

  /** A call that left has used half of its time. */
  slow(life: Life): void {
    if (this.#running.size < mostAccounts && !this.#running.has(life.id)) this.#running.set(life.id, life);
  }

  /** A call that left is over, and was slow or failed. Answers its ledger: `peer` is what its peer said, or empty. */
  close(life: Life, peer: string, now: number): string {
    if (this.#running.get(life.id) === life) this.#running.delete(life.id);
    const ledger = withHop(peer, this.#hopOf(life, now));
    const account = { bornAt: life.bornAt, endedAt: now, tookMs: now - life.bornAt, ledger };
    const known = this.#ended.get(life.id);
    // Of several calls of one the longest explains the most.
    if (known !== undefined && known.tookMs > account.tookMs && now - known.endedAt < keptMs) return ledger;
    this.#ended.delete(life.id);
    if (this.#ended.size >= mostAccounts) this.#ended.delete(this.#ended.keys().next().value!);
    this.#ended.set(life.id, account);
    return ledger;
  }

  /** The ledger of the longest call that was made on behalf of this one, as far as it has come; empty: of none. */
  within(life: Life, now: number): string {
    const ended = this.#ended.get(life.id);
    const running = this.#running.get(life.id);
    const isEnded = ended !== undefined && ended.bornAt >= life.bornAt;
    const isRunning = running !== undefined && running.bornAt >= life.bornAt;
    if (isRunning && (!isEnded || now - running.bornAt > ended.tookMs))
      return withHop('', this.#hopOf(running, now));
    return isEnded ? ended.ledger : '';
  }

  #hopOf(life: Life, now: number): Hop {
    return hopOf(life, this.name, life.at?.address.service ?? 'nobody', now);
  }
}
