import { type Body, emptyBody } from '../../sidecar/core/body.ts';
import {
  type Arrival,
  type Attempt,
  Call,
  noWords,
  type RoutedCall,
  type Words,
} from '../../sidecar/core/call.ts';
import type { Address, EndpointView, GateState } from '../../sidecar/core/endpoint.ts';
import type { Service } from '../../sidecar/core/filter.ts';
import type { Clock } from '../../sidecar/core/kit.ts';
import { Life, type Waiter } from '../../sidecar/core/life.ts';
import { unruled } from '../../sidecar/core/policy.ts';
import { type Fields, type Reply, type ReplySink, refusal } from '../../sidecar/core/reply.ts';
import { noRoutes } from '../../sidecar/core/routes.ts';
import type { Access, Discovery, ServiceView, Snapshot } from '../../sidecar/core/snapshot.ts';
import { Code, ok, type Status } from '../../sidecar/core/status.ts';

/** A service with one instance per address, `host:port`. */
export const service = (name: string, ...ids: string[]): ServiceView => ({
  name,
  endpoints: ids.map((id) => address(id, name)),
  origin: 'static',
});

/** An address by its id, `host:port`. */
export const address = (id: string, name = 'inventory'): Address => {
  const colon = id.lastIndexOf(':');
  return { id, host: id.slice(0, colon), port: Number(id.slice(colon + 1)), service: name };
};

/** Access rules that let everybody in. */
const anybody: Access = { intentions: [], allowByDefault: true, because: 'the test says so' };

/** A snapshot of these parts; by default nothing is known and everybody may call. */
export const snapshot = (
  parts: Partial<Snapshot> & { services?: ReadonlyMap<string, ServiceView> } = {},
): Snapshot =>
  Object.freeze({
    version: 1,
    madeAt: 0,
    services: new Map(),
    asked: new Map(),
    access: anybody,
    flags: new Map(),
    flagSet: null,
    flagFaults: [],
    policies: unruled(),
    ...noRoutes,
    ...parts,
  });

/** A snapshot that knows these services. */
export const knowing = (...services: ServiceView[]): Snapshot =>
  snapshot({ services: new Map(services.map((each) => [each.name, each])) });

/** What a test may say of a call; the rest is a plain unary call to `inventory`. */
export type CallParts = Partial<Omit<Arrival, 'words'>> & { readonly words?: Partial<Words> };

/** A call as a listener makes it, arriving now. */
export const newCall = (clock: Clock, { words, ...parts }: CallParts = {}): Call =>
  new Call({
    method: '/shop.Inventory/Get',
    authority: 'inventory',
    port: '',
    metadata: ['content-type', 'application/grpc'],
    never: null,
    caller: '',
    arrivedAt: clock.now(),
    body: emptyBody,
    life: new Life(clock.now()),
    snapshot: knowing(service('inventory', '10.0.0.1:50051')),
    ...parts,
    words: { ...noWords, ...words },
  });

/** The same, routed to a service. */
export const routedCall = (clock: Clock, to: ServiceView, parts: CallParts = {}): RoutedCall => ({
  call: newCall(clock, parts),
  service: to,
  met: [],
});

/** The same, at an endpoint. */
export const newAttempt = (clock: Clock, endpoint: EndpointView, parts: CallParts = {}): Attempt => ({
  call: newCall(clock, parts),
  endpoint,
  begunAt: clock.now(),
  previous: 0,
});

/** A body that remembers whether it was committed, and may be too long to repeat. */
export const notingBody = (replayable = true): Body & { readonly commits: number } => ({
  ...emptyBody,
  replayable,
  commits: 0,
  commit() {
    (this as { commits: number }).commits++;
  },
});

/**
 * A reply in the test's hand: begins when made, ends when told. It plays the transport's part: it is the call's
 * waiter, and settles with the status of a cancellation.
 */
export class HeldReply implements Reply, Waiter {
  readonly head: Fields | null = ['content-type', 'application/grpc'];
  over: Status | null = null;
  readonly trailers: Fields = [];
  readonly status: Promise<Status>;
  discarded = false;
  credit = 0;
  ends = 0;
  #settle!: (status: Status) => void;
  #sink: ReplySink | null = null;
  readonly #life: Life;

  constructor(life: Life) {
    this.#life = life;
    this.status = new Promise((resolve) => {
      this.#settle = resolve;
    });
    life.wait(this);
  }

  get doing(): string {
    return 'waiting for the rest of a held reply';
  }

  attach(sink: ReplySink): void {
    this.#sink = sink;
    if (this.over !== null) sink.finish(this.over, []);
  }

  taken(bytes: number): void {
    this.credit += bytes;
  }

  discard(): void {
    this.discarded = true;
    this.end({ code: Code.CANCELLED, message: 'discarded', from: 'wire', reached: true });
  }

  cancelled(status: Status): void {
    this.end(status);
  }

  /** The peer ends the reply. The listener's part, settling the life, is played too. */
  end(status: Status): void {
    if (this.over !== null) return;
    this.over = status;
    this.ends++;
    this.#life.leave(this);
    this.#life.settle(status);
    this.#settle(status);
    this.#sink?.finish(status, []);
  }
}

/** What a listener does with a call: passes it down, reads the reply, and ends the call's life whatever happens. */
export const run = async <C extends { readonly life?: Life; readonly call?: Call }>(
  serve: Service<C>,
  call: C,
): Promise<Status> => {
  const life = (call.life ?? call.call?.life)!;
  try {
    const reply = await serve(call);
    const status = await new Promise<Status>((resolve) =>
      reply.attach({ relay: (_, start, end) => reply.taken(end - start), finish: resolve }),
    );
    life.settle(status);
    return status;
  } catch (bug) {
    const status: Status = { code: Code.INTERNAL, message: String(bug), from: 'mesh', reached: true };
    life.settle(status);
    return status;
  }
};

/** A peer's answer that is over at once. */
export const answer = (status: Status = ok): Promise<Reply> => refusal(status);

/** An endpoint in the test's hand. */
export class FakeEndpoint implements EndpointView {
  readonly address: Address;
  load = 0;
  available = true;
  reachable = true;
  gate: GateState = 'open';
  epoch = 0;
  trialFree = true;
  zone: 'own' | 'other' | null = null;
  youngUntil = 0;
  cost = 0;
  /** How long replies took, and `whole` or `at least`. */
  readonly waits: string[] = [];
  readonly verdicts: string[] = [];
  /** Why, verdict by verdict. */
  readonly causes: (Status | undefined)[] = [];
  readonly attempts: Attempt[] = [];
  answers: (attempt: Attempt) => Promise<Reply> = () => answer();

  constructor(id = '10.0.0.1:50051') {
    this.address = address(id);
  }

  share(_now: number): number {
    return 1;
  }

  costMs(_now: number): number {
    return this.cost;
  }

  took(ms: number, _now: number, whole: boolean): void {
    this.waits.push(`${whole ? 'whole' : 'at least'} ${ms}`);
  }

  enter(): boolean {
    if (this.gate === 'open') return true;
    const free = this.trialFree;
    this.trialFree = false;
    return free;
  }

  judge(verdict: 'success' | 'failure' | 'neutral', epoch: number, cause?: Status): void {
    this.causes.push(cause);
    this.verdicts.push(epoch === this.epoch ? verdict : `stale ${verdict}`);
  }

  begun(epoch: number): void {
    this.verdicts.push(epoch === this.epoch ? 'begun' : 'stale begun');
  }

  send(attempt: Attempt): Promise<Reply> {
    this.attempts.push(attempt);
    return this.answers(attempt);
  }
}

/** A discovery that remembers what was wanted. */
export const notingDiscovery = (): Discovery & { readonly wanted: string[] } => {
  const wanted: string[] = [];
  return {
    wanted,
    want: (name) => void wanted.push(name),
    describe: (name) => `asked for /v1/health/connect/${name}`,
  };
};

/** Lets promises that are settled be heard. */
export const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
