import type { Attempt } from '../core/call.ts';
import type { Address, EndpointView, GateState, Verdict } from '../core/endpoint.ts';
import type { Dial, Link } from '../core/link.ts';
import { builtIn, type Policy } from '../core/policy.ts';
import { type Reply, refusal } from '../core/reply.ts';
import { broken, Code, refused, type Status } from '../core/status.ts';
import { PeakLatency } from '../policies/peak-latency.ts';
import { isServerFault } from '../policies/server-fault.ts';
import { shareAt } from '../policies/slow-start.ts';
import { CallQueue } from './call-queue.ts';
import type { EndpointHome } from './endpoint-home.ts';
import { Gate, type Guarded } from './gate.ts';
import { type Judgement, judgementOf } from './judgement.ts';
import { Links, type LinksUser } from './links.ts';
import type { Health } from './probe.ts';

/**
 * Endpoint is one instance of a service: its connections, the calls that wait for one, and its gate.
 */
export class Endpoint implements EndpointView, Guarded, LinksUser {
  readonly address: Address;
  readonly service: string;
  readonly #home: EndpointHome;
  readonly #links: Links;
  readonly #queue: CallQueue;
  readonly #gate: Gate;
  readonly #latency: PeakLatency = new PeakLatency();
  zone: 'own' | 'other' | null = null;
  youngUntil = 0;
  /** When it came to others that were there already; 0: it came with all others. Monotonic milliseconds. */
  #joinedAt = 0;
  #slowStartMs = 0;
  #connectMs: number | undefined;
  /** Percent of the service's endpoints that may be shut. */
  #most = builtIn.eject.most;
  /** It left a moment ago: its connections are kept, but calls that began before go elsewhere. */
  #resting = false;
  /** Why the endpoint takes no calls any more; empty while it is in the mesh. */
  #over = '';

  constructor(home: EndpointHome, service: string, address: Address) {
    this.#home = home;
    this.service = service;
    this.address = address;
    const dial: Dial = (to, events) => home.dial(to, events, this.#connectMs);
    this.#links = new Links(home.kit, dial, home.settings, this);
    this.#queue = new CallQueue(address.id, home.kit.clock);
    this.#gate = new Gate(home.kit, this, home.settings.gate);
  }

  get load(): number {
    return this.#links.active + this.#queue.size;
  }

  get reachable(): boolean {
    return this.#links.trouble === '' && this.#over === '';
  }

  get available(): boolean {
    return (
      this.reachable &&
      !this.#resting &&
      !this.#links.lost &&
      !this.#links.moving &&
      this.#gate.passes &&
      !this.#links.full &&
      this.#queue.size < this.#home.settings.mostWaiting
    );
  }

  get gate(): GateState {
    return this.#gate.state;
  }

  get epoch(): number {
    return this.#gate.epoch;
  }

  /** Its gate keeps calls away, or would if it acted. */
  get out(): boolean {
    return this.#gate.out;
  }

  /** It cannot be reached, is shut, or the latest that is known of it is a failure. */
  get fails(): boolean {
    return !this.reachable || this.#gate.fails;
  }

  /** What its gate knows, for reports. */
  get judgement(): Judgement {
    return judgementOf(this.#gate, this.#home.kit.clock.now());
  }

  /** Why calls are answered at once with a failure; empty while they are not. */
  get trouble(): string {
    return this.#over || this.#links.trouble;
  }

  /** Connections, connecting and draining ones included. */
  get links(): readonly Link[] {
    return this.#links.all;
  }

  /** Calls that wait for a connection. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Takes over what a policy says of it; connections that are being made go on as they began. */
  tune(policy: Pick<Policy, 'connect' | 'eject' | 'slow-start'>): void {
    this.#connectMs = policy.connect;
    this.#most = policy.eject.most;
    this.#gate.tune(policy.eject.mode, policy.eject);
    this.#slowStartMs = policy['slow-start'];
    this.youngUntil = this.#joinedAt === 0 ? 0 : this.#joinedAt + this.#slowStartMs;
  }

  /** It comes to others that have calls already, and gets up to its share slowly; to be said before `tune`. */
  join(): void {
    this.#joinedAt = this.#home.kit.clock.now();
  }

  share(now: number): number {
    return now >= this.youngUntil ? 1 : shareAt(now - this.#joinedAt, this.#slowStartMs);
  }

  costMs(now: number): number {
    return this.#latency.costMs(now, this.load === 0);
  }

  took(ms: number, now: number, whole: boolean): void {
    this.#latency.heard(ms, now, whole);
  }

  enter(): boolean {
    return this.#gate.enter();
  }

  judge(verdict: Verdict, epoch: number, cause?: Status, at?: number): void {
    this.#weigh(verdict, cause);
    // A dial that failed has its own consequence, the back-off; a gate shut on top would outlast it.
    const dialFailed = verdict === 'failure' && !this.reachable && cause?.reached === false;
    this.#gate.judge(dialFailed ? 'neutral' : verdict, epoch, cause, at);
  }

  begun(epoch: number): void {
    this.#gate.begun(epoch);
  }

  /** Nobody of its service answers: a dial or a probe that waits for its time is made now. */
  hurry(): void {
    this.#links.hurry();
    this.#gate.hint();
  }

  send(attempt: Attempt): Promise<Reply> {
    if (!this.reachable) return refusal(this.#outOfReach());
    this.#links.use(attempt.call.arrival.arrivedAt);
    const link = this.#queue.size === 0 ? this.#links.pick() : null;
    if (link !== null) return link.send(attempt);
    if (this.#queue.size >= this.#home.settings.mostWaiting) return refusal(this.#crowded());
    this.#links.grow();
    return this.#queue.add(attempt, this.#links.connected ? 'queueMs' : 'connectMs');
  }

  /** The instance left, perhaps for a moment. False when it has no connection to keep: it may as well `leave`. */
  rest(): boolean {
    this.#resting = this.#over === '' && this.#links.rest();
    return this.#resting;
  }

  /** The instance is back. False when it has left for good meanwhile. */
  revive(): boolean {
    if (this.#over !== '') return false;
    this.#resting = false;
    this.#links.revive();
    return true;
  }

  /** The instance is no longer in the snapshot: calls in flight finish, no new ones begin. */
  leave(): void {
    if (this.#over !== '') return;
    this.#finish(`it is no longer an instance of '${this.service}'`);
    this.#links.leave();
  }

  /** Closes everything now. */
  close(reason: string): void {
    this.#finish(reason);
    this.#links.close(reason);
  }

  /** For Links: those that wait may go. */
  room(): void {
    const now = this.#queue.size > 0 ? this.#home.kit.clock.now() : 0;
    while (this.#queue.size > 0) {
      const link = this.#links.pick();
      if (link === null) {
        this.#links.grow();
        return;
      }
      this.#queue.send(link, now);
    }
  }

  /** For Links: a dial failed. */
  unreachable(): void {
    this.#queue.refuse(this.#outOfReach());
  }

  /** For Links: the peer is there again. */
  back(): void {
    this.#home.kit.log.info({ service: this.service, endpoint: this.address.id }, 'endpoint connected again');
    this.#latency.doubt();
    this.#gate.hint(true);
    this.#home.recovers(this, null);
  }

  /** For Links: nothing is left of it. */
  empty(): void {
    this.#home.gone(this);
  }

  /** For Links: it rests, and the peer hung up. */
  deserted(): void {
    this.leave();
  }

  /** For Gate: the last available endpoint of a service is never shut. */
  mayShut(): boolean {
    return this.#home.mayShut(this, this.#most);
  }

  /** For gates: its own, or its service's. */
  async probe(): Promise<Health> {
    const health = await this.#home.probe(this);
    this.#home.kit.meter.count('outrigger_probes_total', this.service, health).value++;
    return health;
  }

  /** For Gate. */
  changed(state: GateState, why: string): void {
    const { log, meter } = this.#home.kit;
    meter.count('outrigger_gate_changes_total', this.service, state).value++;
    const fields = { service: this.service, endpoint: this.address.id, state, why };
    if (state === 'shut') {
      log.warn(fields, 'gate shut');
      return;
    }
    if (state === 'open') this.#latency.doubt();
    log.info(fields, state === 'open' ? 'gate open' : 'gate probing');
    this.#home.recovers(this, state === 'open' ? 'serving' : 'unknown');
  }

  /** For Gate. */
  would(why: string): void {
    const { log, meter } = this.#home.kit;
    meter.count('outrigger_would_eject_total', this.service).value++;
    log.info({ service: this.service, endpoint: this.address.id, why }, 'gate would shut');
  }

  /** What an end says of how dear it is to call here. Nothing to do while all goes well. */
  #weigh(verdict: Verdict, cause: Status | undefined): void {
    const failed = verdict === 'failure' || (cause !== undefined && isServerFault(cause));
    if (!failed && (verdict === 'neutral' || !this.#latency.fails)) return;
    const now = this.#home.kit.clock.now();
    this.#latency.ended(now, failed);
    if (cause?.pushbackMs !== undefined) this.#latency.pushedBack(now, cause.pushbackMs);
  }

  #finish(why: string): void {
    this.#over = why;
    this.#gate.close();
    this.#queue.refuse(this.#outOfReach());
  }

  #outOfReach(): Status {
    return broken(`cannot reach ${this.address.id} of '${this.service}': ${this.trouble}`, false);
  }

  #crowded(): Status {
    this.#home.kit.meter.count('outrigger_link_queue_full_total', this.service).value++;
    const { mostWaiting } = this.#home.settings;
    return refused(
      Code.RESOURCE_EXHAUSTED,
      `${mostWaiting} calls wait for a connection to ${this.address.id} of '${this.service}' already`,
    );
  }
}
