import type { ConnectEntry } from '../../consul/answers.ts';
import type { ConsulDoor } from '../../consul/door.ts';
import { ConsulError } from '../../consul/errors.ts';
import { lossesOf } from '../../consul/losses.ts';
import { watch } from '../../consul/watch.ts';
import type { Address } from '../../core/endpoint.ts';
import type { Kit } from '../../core/kit.ts';
import type { ServiceView } from '../../core/snapshot.ts';
import { addressesOf } from '../addresses.ts';
import { lazily } from './lazily.ts';
import type { TargetQuestion } from './resolvers.ts';

/** What targets are watched with. */
export interface TargetsOptions {
  readonly door: ConsulDoor;
  readonly kit: Kit;
  /** Called when anything about any target has changed. */
  readonly changed: () => void;
}

/** Targets that are watched at most; those beyond have no instances, and are counted. */
const mostTargets = 1000;

/** Targets keeps one watch for each target that anybody wants, shared by all who do. */
export class Targets {
  readonly #options: TargetsOptions;
  readonly #byKey: Map<string, Target> = new Map();

  constructor(options: TargetsOptions) {
    this.#options = options;
  }

  /** Takes a share in a target; `wantedAt`: when a call last wanted it, by the kit's clock. `drop` gives it back. */
  take(question: TargetQuestion, wantedAt: () => number): Target {
    let target = this.#byKey.get(question.key);
    if (target === undefined) {
      const mayWatch = this.#byKey.size < mostTargets;
      if (!mayWatch) this.#options.kit.meter.count('outrigger_watches_refused_total').value++;
      target = new Target(question, this.#options, mayWatch);
      this.#byKey.set(question.key, target);
    }
    target.wants.push(wantedAt);
    return target;
  }

  /** Gives a share back; without any the watch ends. */
  drop(target: Target, wantedAt: () => number): void {
    target.wants.splice(target.wants.indexOf(wantedAt), 1);
    if (target.wants.length > 0) return;
    target.stop();
    if (this.#byKey.get(target.question.key) === target) this.#byKey.delete(target.question.key);
  }

  /** Why a target has no answer now, or null. */
  trouble(): string | null {
    for (const { trouble } of this.#byKey.values()) if (trouble !== null) return trouble;
    return null;
  }

  /** True when there are targets, and none of them has an answer now. */
  areAway(): boolean {
    return this.#byKey.size > 0 && [...this.#byKey.values()].every(({ trouble }) => trouble !== null);
  }
}

/** Target is one list of instances: what the last answer about it said. */
export class Target {
  readonly question: TargetQuestion;
  /** When each of those who share it wanted it last; whoever has two shares stands there twice. */
  readonly wants: (() => number)[] = [];
  /** Null while there was no answer. */
  view: ServiceView | null = null;
  /** Why there is no answer now, or null. */
  trouble: string | null = null;
  /** Consul refused the question, so that nobody should wait for its answer. */
  refused = false;
  readonly #stop: AbortController = new AbortController();
  /** Had an instance once. */
  #seen = false;

  constructor(question: TargetQuestion, options: TargetsOptions, mayWatch: boolean) {
    this.question = question;
    if (mayWatch) this.#watch(options);
    else this.view = this.#viewOf([]);
  }

  /** The view, empty while there is no answer. */
  get shown(): ServiceView {
    return this.view ?? this.#viewOf([]);
  }

  stop(): void {
    this.#stop.abort();
  }

  #viewOf(endpoints: readonly Address[]): ServiceView {
    return Object.freeze({ name: this.question.name, endpoints, origin: 'consul' });
  }

  #wantedAt(): number {
    let latest = Number.NEGATIVE_INFINITY;
    for (const wantedAt of this.wants) latest = Math.max(latest, wantedAt());
    return latest;
  }

  #watch({ door, kit, changed }: TargetsOptions): void {
    const { name, service, filter, dc } = this.question;
    const wantedAt = (): number => this.#wantedAt();
    // Told when it is new: the same bad registration comes again with every answer.
    let told: ReadonlySet<string> = new Set();
    const usable = (entries: readonly ConnectEntry[]): Address[] => {
      const refused = new Set<string>();
      const addresses = addressesOf(service, entries, (reason, what) => {
        refused.add(what);
        if (told.has(what)) return;
        kit.meter.count('outrigger_addresses_refused_total', reason).value++;
        kit.log.warn({ service: name, reason }, `an address from Consul is not used: ${what}`);
      });
      told = refused;
      return addresses;
    };
    // An answer that is the one before is judged no second time.
    let last: { readonly entries: readonly ConnectEntry[]; readonly value: Address[] } | null = null;
    void watch<readonly Address[]>({
      kind: 'connect',
      about: name,
      // What exists is always looked at closely: instances come and go at any time. A name that was made up does not.
      ask: lazily(
        kit.clock,
        () => (this.#seen ? kit.clock.now() : wantedAt()),
        async (question) => {
          const answer = await door.connect(service, question, { filter, dc });
          if (answer.value !== last?.entries) last = { entries: answer.value, value: usable(answer.value) };
          const { value } = last;
          // Nothing usable is not the same as nothing: it must not empty the list.
          if (value.length === 0 && answer.value.length > 0)
            throw new ConsulError(
              'garbage',
              `Consul at ${door.url}: none of the instances of '${name}' can be dialled`,
            );
          return { ...answer, value };
        },
      ),
      hear: (endpoints) => {
        this.view = this.#viewOf(endpoints);
        this.#seen ||= endpoints.length > 0;
        this.refused = false;
        changed();
      },
      trouble: (error) => {
        this.trouble = error?.message ?? null;
        if (this.view !== null || this.refused || !isAnswer(error)) return;
        this.refused = true;
        changed();
      },
      losses: (held, now) =>
        lossesOf(
          held.map(({ id }) => id),
          now.map(({ id }) => id),
        ),
      mode: 'stale',
      polls: door.polls,
      wantedAt,
      kit,
      signal: this.#stop.signal,
    });
  }
}

/** Whether Consul took the question and answered it with a failure: asking again at once changes nothing. */
export const isAnswer = (error: ConsulError | null): boolean =>
  error !== null && ['status', 'garbage', 'large', 'timeout'].includes(error.failure);
