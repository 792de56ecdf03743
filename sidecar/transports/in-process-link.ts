import type { Attempt } from '../core/call.ts';
import type { Kit } from '../core/kit.ts';
import type { Dial, Link, LinkEvents } from '../core/link.ts';
import { type Reply, refuse } from '../core/reply.ts';
import { broken, Code, refused } from '../core/status.ts';
import { type Accept, InProcess, type Memory } from './in-process.ts';
import { type Peer, PeerStream } from './peer-stream.ts';
import { type Direction, requestFields } from './request-fields.ts';

/** How parts of this process are reached. */
export interface InProcessOptions {
  readonly kit: Kit;
  readonly memory: Memory;
  readonly direction: Direction;
  /** Calls at a time on one link. */
  readonly streams: number;
  /** Who answers for a service; null where nobody does any more. */
  readonly acceptOf: (service: string) => Accept | null;
}

/** Where every service of this process is, in words: for messages, and in `x-outrigger-endpoint`. */
export const inProcessPlace = 'in-process';

/** Opens links to services in this process. */
export const inProcessDialler =
  (options: InProcessOptions): Dial =>
  ({ service }, events) =>
    new InProcessLink(service, events, options);

/** InProcessLink is a connection without a socket: it is ready at once, and breaks only when it is closed. */
class InProcessLink implements Link, Peer {
  state: Link['state'] = 'connecting';
  active = 0;
  readonly where = inProcessPlace;
  /** It is this very process. */
  readonly trusted = true;
  readonly connection: InProcess;
  readonly #options: InProcessOptions;
  readonly #events: LinkEvents;

  constructor(service: string, events: LinkEvents, options: InProcessOptions) {
    this.#options = options;
    this.#events = events;
    const accept = options.acceptOf(service);
    this.connection = new InProcess(options.memory, accept ?? refuseAll);
    // Not from inside `dial`: the pool has not got the link yet.
    if (accept !== null) queueMicrotask(() => this.#ready());
    else queueMicrotask(() => this.close(`nobody hosts '${service}' any more`));
  }

  get room(): number {
    return this.state === 'ready' ? Math.max(0, this.#options.streams - this.active) : 0;
  }

  send(attempt: Attempt): Promise<Reply> {
    if (this.room === 0)
      return Promise.resolve(refuse(broken(`${this.where}: the link is ${this.state}`, false)));
    const { kit, direction } = this.#options;
    const now = kit.clock.now();
    const { life, deadlineAt } = attempt.call;
    // As over a socket: whom it is for has given up, and nobody must begin on it.
    if (now >= deadlineAt) return Promise.resolve(refuse(tooLate));
    life.sent(now);
    this.active++;
    return new PeerStream(attempt, this, requestFields(attempt, direction, now)).begun;
  }

  drain(): void {
    if (this.state === 'closed') return;
    this.state = 'draining';
    if (this.active === 0) this.close('no longer wanted');
  }

  close(reason: string): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.connection.break(reason);
    this.#events.closed(`${this.where}: ${reason}`);
  }

  done(): void {
    this.active--;
    if (this.state === 'ready') this.#events.room();
    else if (this.state === 'draining' && this.active === 0) this.close('no longer wanted');
  }

  wasReset(): void {
    this.#options.kit.meter.count('outrigger_resets_total', 'peer').value++;
  }

  #ready(): void {
    if (this.state !== 'connecting') return;
    this.state = 'ready';
    this.#events.ready();
  }
}

const refuseAll: Accept = () => {
  throw new Error('a link to nobody has no streams');
};

const tooLate = refused(
  Code.DEADLINE_EXCEEDED,
  'the deadline passed before the call could be handed to the service in this process',
);
