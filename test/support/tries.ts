import type { RoutedCall } from '../../sidecar/core/call.ts';
import type { Filter } from '../../sidecar/core/filter.ts';
import type { Kit } from '../../sidecar/core/kit.ts';
import type { PolicyWords } from '../../sidecar/core/policy.ts';
import { type Fields, type Reply, refusal } from '../../sidecar/core/reply.ts';
import type { ServiceView } from '../../sidecar/core/snapshot.ts';
import { Code, type Status } from '../../sidecar/core/status.ts';
import { balance } from '../../sidecar/filters/balance.ts';
import { retry } from '../../sidecar/filters/retry.ts';
import { Latencies } from '../../sidecar/policies/latencies.ts';
import { Repetitions } from '../../sidecar/policies/repetitions.ts';
import { type CallParts, FakeEndpoint, notingBody, routedCall, run, service, snapshot } from './calls.ts';
import { type StillKit, stillKit } from './kit.ts';
import { always } from './policies.ts';

/** The service that is tried. */
export const inventory: ServiceView = service('inventory', '10.0.0.1:1', '10.0.0.2:1', '10.0.0.3:1');

/** So many endpoints that take calls. */
export const endpoints = (count: number): FakeEndpoint[] =>
  Array.from({ length: count }, (_, at) => new FakeEndpoint(`10.0.0.${at + 1}:1`));

/** Retry that has nothing to share with a hedge. */
export const retryAlone = (kit: Kit, met: readonly FakeEndpoint[]): Filter<RoutedCall> =>
  retry(kit, () => met, new Repetitions(kit, new Latencies(kit.clock)));

/** What the app itself says, trailers and all. */
export interface Said {
  readonly status: Status;
  readonly trailers: Fields;
}

/** An error of the app, with a wish about trying again. */
export const failure = (code: Code = Code.UNAVAILABLE, pushback?: string): Said => ({
  status: { code, message: 'told to fail', from: 'peer', reached: true },
  trailers: pushback === undefined ? [] : ['grpc-retry-pushback-ms', pushback],
});

/** Words of a method that may be executed twice. */
export const idempotent = { idempotent: true } as const;

/** What a call is made of, and how it is treated. */
export interface Trying extends CallParts {
  readonly grantedMs?: number;
  readonly policy?: PolicyWords;
}

/** Retry above balance over these endpoints; calls are made one after another, at one time. */
export class Tries {
  readonly kit: StillKit = stillKit();
  readonly met: string[] = [];
  readonly previous: number[] = [];
  /** Baggage of each attempt. */
  readonly baggage: string[] = [];
  readonly latencies: Latencies = new Latencies(this.kit.clock);
  readonly body: ReturnType<typeof notingBody> = notingBody();
  readonly #answers: readonly (Status | Said)[];
  readonly #filter: Filter<RoutedCall>;
  readonly #balanced: ReturnType<typeof balance>;

  /** `answers[n]` is what attempt n meets; the last one repeats. */
  constructor(met: readonly FakeEndpoint[], answers: readonly (Status | Said)[]) {
    this.#answers = answers;
    this.#filter = retry(this.kit, () => met, new Repetitions(this.kit, this.latencies));
    this.#balanced = balance(this.kit, () => met);
  }

  /** A call that arrives now. */
  routed({ grantedMs = Number.POSITIVE_INFINITY, policy, ...parts }: Trying = {}): RoutedCall {
    const said = policy === undefined ? {} : { snapshot: snapshot({ policies: always(policy) }) };
    const arrived = routedCall(this.kit.clock, inventory, { body: this.body, ...said, ...parts });
    const call = arrived.call.until(this.kit.clock.now() + grantedMs).carrying(parts.words?.baggage ?? '');
    return { ...arrived, call };
  }

  serve = (each: RoutedCall): Promise<Reply> =>
    this.#filter(each, (again) =>
      this.#balanced(again, (attempt) => {
        this.met.push(attempt.endpoint.address.id);
        this.previous.push(attempt.previous);
        this.baggage.push(attempt.call.baggage);
        const said = this.#answers[Math.min(this.met.length, this.#answers.length) - 1]!;
        return 'status' in said ? refusal(said.status, said.trailers) : refusal(said);
      }),
    );

  /** Makes a call; how it ends. */
  call(trying: Trying = {}): Promise<Status> {
    return run(this.serve, this.routed(trying));
  }

  /** Repetitions of a kind so far. */
  made(kind: 'transparent' | 'retry' | 'hedge'): number {
    return this.kit.meter.count('outrigger_retries_total', 'inventory', kind).value;
  }

  /** Repetitions that were due and not made. */
  refused(reason: string): number {
    return this.kit.meter.count('outrigger_retries_refused_total', 'inventory', reason).value;
  }
}
