import { parseDuration } from './duration.ts';
import { Refusal } from './refusal.ts';

/** One request, read and split. */
export interface Ask {
  readonly method: string;
  /** Path parts that the route named, decoded. */
  readonly parts: Readonly<Record<string, string>>;
  readonly search: URLSearchParams;
  readonly body: Buffer;
  /** Calls `then` when the client has gone, so that nothing is held for it. */
  onGone(then: () => void): void;
}

/** What goes back. */
export interface Answer {
  /** Default 200. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Written as JSON. */
  readonly json?: unknown;
  /** Written as it is, when there is no `json`. */
  readonly raw?: string | Buffer;
}

/** One line of the API. The last `:part` of a path takes all that remains, slashes too. */
export interface Route {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  answer(ask: Ask): Answer | Promise<Answer>;
}

/** What a blocking query asks for. */
export interface Blocking {
  /** 0: answer at once. */
  readonly index: number;
  /** Milliseconds, already within Consul's bounds. */
  readonly waitMs: number;
}

const defaultWaitMs = 5 * 60_000;
const longestWaitMs = 10 * 60_000;

/** Reads `index` and `wait`; refuses with Consul's words what is none. */
export const blockingOf = (search: URLSearchParams): Blocking => {
  if (search.has('stale') && search.has('consistent'))
    throw new Refusal(400, 'Cannot specify ?stale with ?consistent, conflicting semantics.');
  if (search.has('cached') && search.has('consistent'))
    throw new Refusal(400, 'Cannot specify ?cached with ?consistent, conflicting semantics.');
  const index = search.get('index') ?? '0';
  if (!/^\d{1,19}$/.test(index)) throw new Refusal(400, 'Invalid index');
  const wait = search.get('wait');
  let waitMs = wait === null ? 0 : parseDuration(wait);
  if (waitMs === undefined) throw new Refusal(400, 'Invalid wait time');
  if (waitMs <= 0) waitMs = defaultWaitMs;
  return { index: Number(index), waitMs: Math.min(waitMs, longestWaitMs) };
};

/** Parses a body as JSON; refuses with the words that Consul puts before `what`. */
export const jsonBody = (ask: Ask, before: string): Record<string, unknown> => {
  const text = ask.body.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Refusal(400, `${before}${text === '' ? 'EOF' : (error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Refusal(400, `${before}json: the body must be an object`);
  return value as Record<string, unknown>;
};
