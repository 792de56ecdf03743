import type { Accounts } from './accounts.ts';
import { hopOf, mostOf, readLedger, withHop } from './ledger-text.ts';
import type { Life } from './life.ts';
import type { Fields } from './reply.ts';
import { Code } from './status.ts';

/** The trailer's name. */
const field = 'x-outrigger-ledger';
/** What the sidecar before us may have said at the end of its message; we know more. */
const said = /; most of the time went to [^;]*$/;

/**
 * Ledger writes into the trailers of a call what it spent here, below what the hops behind us have written.
 *
 * Asked only of calls that failed, and of those that took more than half of their time: who is quick is not
 * asked where the time went.
 */
export class Ledger {
  readonly #accounts: Accounts;
  readonly #isOutbound: boolean;

  constructor(accounts: Accounts, direction: 'outbound' | 'inbound') {
    this.#accounts = accounts;
    this.#isOutbound = direction === 'outbound';
  }

  /**
   * The last fields of a reply, with the ledger. Where time ran out the message says who had the most of it; one that
   * is not `ours` only where a sidecar behind us has begun to: what apps write stays as it is.
   */
  close(life: Life, fields: Fields, now: number, ours: boolean): Fields {
    let peer = '';
    let isOutOfTime = false;
    const out: string[] = [];
    let messageAt = -1;
    for (let i = 0; i < fields.length; i += 2) {
      const [key, value] = [fields[i]!, fields[i + 1]!];
      if (key === field) {
        if (readLedger(value) !== null) peer = value;
        continue;
      }
      if (key === 'grpc-status') isOutOfTime = value === String(Code.DEADLINE_EXCEEDED);
      else if (key === 'grpc-message') messageAt = out.length + 1;
      out.push(key, value);
    }
    const ledger = this.#with(life, peer, now);
    if (isOutOfTime && messageAt > 0 && (ours || said.test(out[messageAt]!)))
      out[messageAt] = told(out[messageAt]!, ledger);
    out.push(field, ledger);
    return out;
  }

  /** The caller is gone, and nobody is told: but it may have called on behalf of another. */
  gone(life: Life, now: number): void {
    if (this.#isOutbound) this.#accounts.close(life, '', now);
  }

  #with(life: Life, peer: string, now: number): string {
    if (this.#isOutbound) return this.#accounts.close(life, peer, now);
    return withHop(this.#accounts.within(life, now), hopOf(life, this.#accounts.name, '', now));
  }
}

/** A message as it stands on the wire; names and numbers need no encoding. */
const told = (message: string, ledger: string): string => {
  const most = mostOf(readLedger(ledger) ?? []);
  return most === '' ? message : `${message.replace(said, '')}; most of the time went to ${most}`;
};
