import type { Latencies } from './latencies.ts';
import { RecentShare } from './recent-share.ts';

/** Of a method's calls no more are refused: were its times wrong, most calls would still go and put them right. */
const mostShare = 0.2;
/** How long a median is used before it is asked for again, milliseconds. */
const usedMs = 1000;
/** Methods that are told apart; calls of those beyond are never doomed. */
const mostMethods = 2000;

/** What is known of a method's calls. */
interface Method {
  readonly recent: RecentShare;
  medianMs: number;
  askAt: number;
}

/** Doom knows which calls have less time left than half of the calls of their method took. One look-up for each. */
export class Doom {
  readonly #latencies: Latencies;
  readonly #methods: Map<string, Method> = new Map();

  constructor(latencies: Latencies) {
    this.#latencies = latencies;
  }

  /** The median of a method when a call with `leftMs` is doomed and may be refused for it; else 0. */
  of(name: string, leftMs: number, now: number): number {
    let method = this.#methods.get(name);
    if (method === undefined) {
      if (this.#methods.size >= mostMethods) return 0;
      this.#methods.set(name, (method = { recent: new RecentShare(), medianMs: 0, askAt: now }));
    }
    method.recent.call(now);
    if (now >= method.askAt) {
      method.askAt = now + usedMs;
      method.medianMs = this.#latencies.quantile(name, 0.5) ?? 0;
    }
    return leftMs < method.medianMs && method.recent.refuse(now, mostShare) ? method.medianMs : 0;
  }
}
