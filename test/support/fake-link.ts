import type { Attempt } from '../../sidecar/core/call.ts';
import type { Address } from '../../sidecar/core/endpoint.ts';
import type { Dial, Link, LinkEvents } from '../../sidecar/core/link.ts';
import type { Reply } from '../../sidecar/core/reply.ts';
import { broken, ok, type Status } from '../../sidecar/core/status.ts';
import { HeldReply } from './calls.ts';

/** A connection in the test's hand: becomes ready, full, draining or closed when told. */
export class FakeLink implements Link {
  state: Link['state'] = 'connecting';
  readonly sent: Attempt[] = [];
  readonly replies: HeldReply[] = [];
  readonly address: Address;
  /** Most streams that the peer allows. */
  limit = 100;
  stuck = false;
  readonly #events: LinkEvents;

  constructor(address: Address, events: LinkEvents) {
    this.address = address;
    this.#events = events;
  }

  get active(): number {
    return this.replies.filter((reply) => reply.over === null).length;
  }

  get room(): number {
    return this.state === 'ready' && !this.stuck ? Math.max(0, this.limit - this.active) : 0;
  }

  send(attempt: Attempt): Promise<Reply> {
    if (this.room <= 0) throw new Error('send without room');
    this.sent.push(attempt);
    const reply = new HeldReply(attempt.call.life);
    this.replies.push(reply);
    return Promise.resolve(reply);
  }

  drain(): void {
    if (this.state === 'closed') return;
    this.state = 'draining';
    if (this.active === 0) this.break('drained');
  }

  close(reason: string): void {
    this.break(reason);
  }

  // === what the test does ===

  ready(): void {
    this.state = 'ready';
    this.#events.ready();
  }

  /** Ends the reply at `index` and makes room. */
  end(index: number, status: Status = ok): void {
    this.replies[index]!.end(status);
    if (this.state === 'ready') this.#events.room();
    if (this.state === 'draining' && this.active === 0) this.break('drained');
  }

  /** The peer sends GOAWAY. */
  goAway(): void {
    this.state = 'draining';
    this.#events.draining();
  }

  /** The connection is gone; attempts in flight end. */
  break(reason: string): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    for (const reply of this.replies) reply.end(broken(`${this.address.id}: ${reason}`, true));
    this.#events.closed(`${this.address.id}: ${reason}`);
  }
}

/** A dial whose connections the test holds, in the order they were asked for. */
export const fakeDial = (): { readonly dial: Dial; readonly links: FakeLink[] } => {
  const links: FakeLink[] = [];
  return {
    links,
    dial: (to, events) => {
      const link = new FakeLink(to, events);
      links.push(link);
      return link;
    },
  };
};
