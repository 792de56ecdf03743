import type { Attempt } from './call.ts';
import type { Reply } from './reply.ts';
import type { Status } from './status.ts';

/** Where a peer listens, and who it must prove to be. */
export interface Address {
  /** Unique in a service: `host:port` or `unix:PATH`. */
  readonly id: string;
  /** IPv4, IPv6 without brackets, a hostname, or the path of a unix socket when `port` is 0. */
  readonly host: string;
  /** 1 to 65535; 0 for a unix socket. */
  readonly port: number;
  /** The service name that the peer's certificate must carry; ignored while identity is none. */
  readonly service: string;
  /** Where it stands, in the words of whoever runs the mesh; absent where nobody says. */
  readonly zone?: string;
  /** Hash of the contract that the instance has; absent where it says nothing of its methods. */
  readonly contract?: string;
}

/** Passing, shut, or shut with one call on trial. */
export type GateState = 'open' | 'probing' | 'shut';

/**
 * What the end of a call says about whom it was sent to. `busy`: it had too much to do, which is held against it more
 * mildly than a failure. `neutral`: nothing can be learnt from it.
 */
export type Verdict = 'success' | 'failure' | 'busy' | 'neutral';

/** What balance and eject may know of an endpoint. The pool owns the rest. */
export interface EndpointView {
  readonly address: Address;
  /** Attempts in flight. */
  readonly load: number;
  /** False while its gate is shut, its last dial failed, or all its connections are stuck. */
  readonly available: boolean;
  /** False while an attempt would fail at once: its last dial failed and waits to be repeated, or it has left. */
  readonly reachable: boolean;
  readonly gate: GateState;
  /** Whether it stands in our zone; null while ours or its own is not known. */
  readonly zone: 'own' | 'other' | null;
  /** Until then it gets less than its share, monotonic milliseconds; 0: it has its share. */
  readonly youngUntil: number;
  /** How much of its share it gets, 0 to 1. */
  share(now: number): number;
  /** How long a reply lets itself be waited for, peaks remembered, milliseconds; 0: nobody knows, and it is idle. */
  costMs(now: number): number;
  /** Hears how long a reply took to begin; `whole` is false where nobody answered: it would have taken longer. */
  took(ms: number, now: number, whole: boolean): void;
  /** Takes the trial while the gate is probing; false when another call has it. True when open. */
  enter(): boolean;
  /** Grows each time the gate changes; a verdict with an older epoch is dropped. */
  readonly epoch: number;
  /**
   * Hears how an attempt went. `neutral`: a trial is given back. `at`: when its call came, monotonic milliseconds;
   * with it a success need not ask for the time.
   */
  judge(verdict: Verdict, epoch: number, cause?: Status, at?: number): void;
  /** Hears that the reply of an attempt of `epoch` has begun: if it is on trial, and a while goes by, that is enough. */
  begun(epoch: number): void;
  /** Sends an attempt over a shared connection, dialling when there is none. */
  send(attempt: Attempt): Promise<Reply>;
}

/** What breaker may know of a whole service. The pool owns the rest. */
export interface ServiceGateView {
  /** True while neither a breaker nor a throttle is wanted: nothing needs to be asked or told. */
  readonly idle: boolean;
  readonly gate: GateState;
  /** As of an endpoint's gate. */
  readonly epoch: number;
  /** Takes the trial while probing; false when another call has it, and while shut. True when open. */
  enter(): boolean;
  /** Whether a call that came at `at` is to be refused because the service refuses most of them. */
  throttles(at: number): boolean;
  /** Hears how a call ended, all of its attempts included. */
  judge(verdict: Verdict, epoch: number, cause?: Status, at?: number): void;
  /** Hears that the reply to a call of `epoch` has begun; as of an endpoint's gate. */
  begun(epoch: number): void;
  /** A call is refused because the gate is shut: why it is, in words, and when it is tried next. */
  refuse(): { readonly why: string; readonly nextMs: number };
}
