import { isDeepStrictEqual } from 'node:util';
import type { ChainAnswer } from '../../consul/chain-answer.ts';
import type { ConsulDoor } from '../../consul/door.ts';
import { ConsulError, reasonOf } from '../../consul/errors.ts';
import { watch } from '../../consul/watch.ts';
import type { Kit } from '../../core/kit.ts';
import { compileChain, type Plan, plainPlan } from './compile.ts';
import { lazily } from './lazily.ts';
import type { PatternFault } from './match.ts';
import { isAnswer, type Target, type Targets } from './targets.ts';

/** What an upstream is watched with. */
export interface UpstreamOptions {
  readonly door: ConsulDoor;
  readonly kit: Kit;
  readonly targets: Targets;
  readonly faultOf: PatternFault;
  /** Called when what holds for this name has changed. */
  readonly changed: () => void;
}

/** A plan, and a share in each of its targets. */
interface Held {
  readonly plan: Plan;
  readonly targets: readonly Target[];
}

/**
 * Upstream is one name that is called: its discovery chain, and the targets that this leads to.
 *
 * A new plan takes the place of the one before only when each of its targets has had its first answer, so that no call
 * meets an empty list. A chain that cannot be had leaves what is known; when nothing is, the service of that name
 * itself is called, as if there were no entries.
 */
export class Upstream {
  readonly name: string;
  /** When a call last wanted it, milliseconds of the kit's clock. */
  wantedAt: number;
  /** One of its targets had an instance once. */
  seen = false;
  readonly #options: UpstreamOptions;
  readonly #stop: AbortController = new AbortController();
  readonly #wanted = (): number => this.wantedAt;
  #now: Held | null = null;
  #next: Held | null;
  /** False while the plan to come is only a guess. */
  #hasPlan = false;
  #told: ReadonlySet<string> = new Set();

  constructor(name: string, options: UpstreamOptions) {
    this.name = name;
    this.#options = options;
    this.wantedAt = options.kit.clock.now();
    // Asked for beside the chain, not behind it: most names have no entries.
    this.#next = this.#hold(plainPlan(name));
    this.#watchChain();
  }

  /** What holds, or null while nothing does. */
  get plan(): Plan | null {
    return this.#now?.plan ?? null;
  }

  /** The targets of what holds; before, of what will. */
  get targets(): readonly Target[] {
    return (this.#now ?? this.#next)?.targets ?? [];
  }

  /** Takes the next plan when all is known about it. */
  settle(): void {
    const next = this.#next;
    if (next !== null && this.#hasPlan && isKnown(next)) {
      this.#release(this.#now);
      this.#now = next;
      this.#next = null;
      this.#tell(next.plan);
    }
    this.seen ||= this.#now?.targets.some(({ view }) => (view?.endpoints.length ?? 0) > 0) ?? false;
  }

  /** Ends all its watches. */
  stop(): void {
    this.#stop.abort();
    this.#release(this.#now);
    this.#release(this.#next);
    this.#next = null;
  }

  #watchChain(): void {
    const { door, kit } = this.#options;
    // An answer that is the one before is compiled no second time.
    let last: { readonly chain: ChainAnswer; readonly plan: Plan } | null = null;
    void watch<Plan>({
      kind: 'chain',
      about: this.name,
      ask: lazily(kit.clock, this.#wanted, async (question) => {
        const answer = await door.chain(this.name, question);
        if (answer.value !== last?.chain) last = { chain: answer.value, plan: this.#compile(answer.value) };
        return { ...answer, value: last.plan };
      }),
      hear: (plan) => this.#prepare(plan),
      trouble: (error) => {
        if (this.#hasPlan || error === null || !isAnswer(error)) return;
        this.#prepare(
          plainPlan(this.name, [`routes cannot be had, the service itself is called: ${error.message}`]),
        );
      },
      mode: 'stale',
      polls: door.polls,
      wantedAt: this.#wanted,
      kit,
      signal: this.#stop.signal,
    });
  }

  #compile(chain: ChainAnswer): Plan {
    const { door, faultOf } = this.#options;
    try {
      return compileChain(this.name, chain, faultOf);
    } catch (thrown) {
      throw new ConsulError(
        'garbage',
        `Consul at ${door.url}: the discovery chain of '${this.name}' cannot be used: ${reasonOf(thrown)}`,
      );
    }
  }

  #prepare(plan: Plan): void {
    if (this.#stop.signal.aborted) return;
    this.#hasPlan = true;
    if (this.#next === null && isDeepStrictEqual(this.#now?.plan, plan)) return;
    const next = this.#hold(plan);
    this.#release(this.#next);
    this.#next = next;
    this.#options.changed();
  }

  #hold(plan: Plan): Held {
    const { targets } = this.#options;
    return { plan, targets: plan.targets.map((question) => targets.take(question, this.#wanted)) };
  }

  #release(held: Held | null): void {
    for (const target of held?.targets ?? []) this.#options.targets.drop(target, this.#wanted);
  }

  #tell({ unheeded }: Plan): void {
    for (const what of unheeded)
      if (!this.#told.has(what))
        this.#options.kit.log.warn({ service: this.name }, `entries of Consul do not hold in full: ${what}`);
    this.#told = new Set(unheeded);
  }
}

const isKnown = ({ plan, targets }: Held): boolean =>
  // What Consul refuses to say of one target must not keep the others from being called.
  targets.every(({ view, refused }) => view !== null || (refused && plan.table !== null));
