import type { Call } from '../../sidecar/core/call.ts';
import type { Witness } from '../../sidecar/core/life.ts';
import type { Status } from '../../sidecar/core/status.ts';
import type { AttemptSpan, CallFacts, CallSpan, Samples, Tracer, Tracing } from '../../sidecar/core/trace.ts';

/** A span that remembers how often it ended, and how. */
class NotedSpan implements AttemptSpan {
  earlier: Witness | null = null;
  readonly ends: Status[] = [];
  readonly traceparent: string;

  constructor(traceparent: string) {
    this.traceparent = traceparent;
  }

  over(status: Status): void {
    this.ends.push(status);
  }
}

class NotedCall extends NotedSpan implements CallSpan {
  readonly attempts: NotedSpan[] = [];
  readonly facts: CallFacts;

  constructor(traceparent: string, facts: CallFacts) {
    super(traceparent);
    this.facts = facts;
  }

  attempt(): AttemptSpan {
    const span = new NotedSpan(`${this.traceparent} attempt ${this.attempts.length + 1}`);
    this.attempts.push(span);
    return span;
  }
}

/** A tracer that remembers its spans; `samples` says of which calls there are any. */
export class NotedTracer implements Tracer {
  readonly begun: NotedCall[] = [];
  readonly #samples: Samples;

  constructor(samples: Samples = () => true) {
    this.#samples = samples;
  }

  begin(_call: Call, facts: CallFacts): NotedCall {
    const span = new NotedCall(`span ${this.begun.length + 1}`, facts);
    this.begun.push(span);
    return span;
  }

  tracing(): Tracing {
    return { tracer: this, samples: this.#samples };
  }
}
