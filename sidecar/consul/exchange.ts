import type { IncomingHttpHeaders } from 'node:http';
import type { AnswerBody, BoundedBody } from './answer-body.ts';
import type { ConsulError } from './errors.ts';

/**
 * Which connections a question travels on: `poll` for those that hang, `look` for those of watches that are answered
 * at once, `cache` for those that the agent answers from its cache, `ask` for registration and the like; `beat` is kept
 * free for the TTL check, so that no number of watches can let it lapse.
 */
export type Lane = 'poll' | 'look' | 'cache' | 'ask' | 'beat';

/** One HTTP exchange with the agent. */
export interface Request {
  readonly lane: Lane;
  readonly method: 'GET' | 'PUT' | 'POST';
  /** Below `/v1`, with `{name}` for params. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Consul's 404 is an answer too, and says that nothing is there: KV has no other word for it. */
  readonly mayLack?: boolean | undefined;
  /** Milliseconds for the whole exchange. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** An answer with status 200, or 404 where it is one. */
export interface Response {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: AnswerBody;
}

/** What an exchange hears from the way that its question took: at most one of both. */
export interface Hearing {
  /** Takes the body. */
  readonly body: BoundedBody;
  answered(status: number, headers: IncomingHttpHeaders): void;
  failed(failure: ConsulError['failure'], why: string): void;
  /** The body is longer than its bound. */
  tooLong(): void;
}

/** Sends a question to the agent. What comes back gives the exchange up; `isStuck`: what it took is of no more use. */
export type Way = (
  request: Request,
  headers: Readonly<Record<string, string>>,
  hearing: Hearing,
) => (isStuck: boolean) => void;
