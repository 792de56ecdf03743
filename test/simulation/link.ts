import type { Attempt } from '../../sidecar/core/call.ts';
import type { Link, LinkEvents } from '../../sidecar/core/link.ts';
import type { Reply } from '../../sidecar/core/reply.ts';
import { Exchange } from './exchange.ts';
import type { Instance } from './instance.ts';

/** Streams that a sidecar allows on one connection. */
const mostStreams = 100;
/** TCP and TLS on a quick network, milliseconds. */
const handshakeMs = 1;

/** SimulatedLink is a connection to a simulated instance. */
export class SimulatedLink implements Link {
  state: Link['state'] = 'connecting';
  readonly #instance: Instance;
  readonly #events: LinkEvents;
  readonly #exchanges: Set<Exchange> = new Set();

  constructor(instance: Instance, events: LinkEvents, connectMs = 2000) {
    this.#instance = instance;
    this.#events = events;
    const { time, troubles } = instance;
    const now = time.now();
    if (troubles.is('dead', now) || troubles.is('refuse', now))
      time.after(handshakeMs / 2, () => this.close('connection refused'));
    else if (troubles.doneAt(now, handshakeMs) > now + connectMs)
      time.after(connectMs, () => this.close(`no connection within ${connectMs} ms`));
    else time.at(troubles.doneAt(now, handshakeMs), () => this.#ready());
  }

  get active(): number {
    return this.#exchanges.size;
  }

  get room(): number {
    return this.state === 'ready' ? Math.max(0, mostStreams - this.active) : 0;
  }

  send(attempt: Attempt): Promise<Reply> {
    if (this.room <= 0) throw new Error('send without room');
    const exchange = new Exchange(attempt, this.#instance.address.id, this.#ended);
    if (exchange.over === null) {
      this.#exchanges.add(exchange);
      this.#instance.take(exchange);
    }
    return exchange.begun;
  }

  drain(): void {
    if (this.state === 'closed') return;
    this.state = 'draining';
    if (this.active === 0) this.close('drained');
  }

  close(reason: string): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#instance.links.delete(this);
    for (const exchange of [...this.#exchanges]) exchange.cut(reason);
    this.#events.closed(`${this.#instance.address.id}: ${reason}`);
  }

  /** The instance says GOAWAY. */
  goAway(): void {
    if (this.state !== 'ready') return;
    this.state = 'draining';
    this.#events.draining();
    if (this.active === 0) this.close('drained');
  }

  #ready(): void {
    if (this.state !== 'connecting') return;
    if (this.#instance.troubles.is('dead', this.#instance.time.now())) return this.close('connection reset');
    this.state = 'ready';
    this.#instance.links.add(this);
    this.#events.ready();
  }

  readonly #ended = (exchange: Exchange): void => {
    if (!this.#exchanges.delete(exchange)) return;
    if (this.state === 'ready') this.#events.room();
    else if (this.state === 'draining' && this.active === 0) this.close('drained');
  };
}
