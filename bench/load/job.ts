/**
 * Whether ids, traces and timeouts differ in every call, as they do in life, or repeat. `sampled`: they differ, and every
 * hundredth call says that its trace is sampled; no other does.
 */
export type HeaderKind = 'differing' | 'constant' | 'sampled';

/** What every job says. */
interface Common {
  /** Where the callers dial, on 127.0.0.1. */
  readonly port: number;
  readonly headers: HeaderKind;
  /** Octets of one message, without its 5-byte prefix. */
  readonly bytes: number;
  readonly connections: number;
  readonly warmMs: number;
  readonly windowMs: number;
  /** Processes whose CPU time is read at both edges of the window. */
  readonly watch: readonly number[];
}

/** Unary calls, always `inFlight` on each connection. */
export interface ClosedLoop extends Common {
  readonly kind: 'closed';
  readonly inFlight: number;
}

/** Unary calls that arrive at times set beforehand, whatever became of the earlier ones. */
export interface OpenLoop extends Common {
  readonly kind: 'open';
  readonly perSecond: number;
  /** Streams of another connection that nobody reads. */
  readonly unread: number;
}

/** Bidi streams, each with `outstanding` messages under way; 1 is ping-pong. */
export interface Talk extends Common {
  readonly kind: 'talk';
  readonly streams: number;
  readonly outstanding: number;
}

/** Connections without a call, until `release`. */
export interface Hold {
  readonly kind: 'hold';
  readonly port: number;
  readonly connections: number;
}

/** Ends what `hold` began. */
export interface Release {
  readonly kind: 'release';
}

/** Jobs that measure. */
export type Load = ClosedLoop | OpenLoop | Talk;
export type Job = Load | Hold | Release;

/** What a window showed. Times in microseconds. */
export interface Outcome {
  /** Calls (messages, of streams) that ended well within the window. */
  readonly done: number;
  readonly windowUs: number;
  /** CPU time of the watched processes together, user and system. */
  readonly cpuUs: number;
  /** CPU time of the load generator itself. */
  readonly ownCpuUs: number;
  readonly p50: number;
  readonly p99: number;
  /** How late the load generator itself began calls, p99; 0 for a closed loop. */
  readonly latenessP99: number;
  /** Calls (streams count as one) that ended with status 0 and every octet, from the first to the last of the job. */
  readonly ended: number;
  /** Streams that were cancelled on purpose. */
  readonly cancelled: number;
  readonly failed: number;
  readonly firstFailure: string;
}
