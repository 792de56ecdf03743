import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import Consul from 'consul';
import type { Kit } from '../core/kit.ts';
import { timer } from '../core/wheel.ts';
import { type AnswerBody, BoundedBody, largestAnswer } from './bounded-body.ts';
import { ConsulError, reasonOf } from './errors.ts';
import { mostLooks, mostPolls } from './polls.ts';
import { readTls } from './tls.ts';

/** Where the agent is and what it wants to see. */
export interface ConsulSettings {
  /** `http://host:port` or `https://host:port`, without a path. */
  readonly url: string;
  /** ACL token; `tokenFile` wins. Never logged. */
  readonly token?: string | undefined;
  /** File that holds the ACL token, read for every question, so that a renewed token is used at once. */
  readonly tokenFile?: string | null | undefined;
  /** PEM file of the CA that signed the agent's HTTPS certificate; default: the system's. */
  readonly caFile?: string | null | undefined;
  /** PEM files of the certificate that is shown to the agent, and of its key. Read once. */
  readonly certFile?: string | null | undefined;
  readonly keyFile?: string | null | undefined;
  /** Name in the agent's certificate; default: the URL's host. */
  readonly serverName?: string | null | undefined;
  /** False: the agent's certificate is not looked at. */
  readonly verify?: boolean | undefined;
  /** Bytes of one answer; a setting for tests. */
  readonly largestAnswer?: number | undefined;
  /** Bytes from which on an answer is read in a thread of its own; a setting for tests. */
  readonly apartFrom?: number | undefined;
}

/**
 * Which connections a question travels on: `poll` for those that hang, `look` for those of watches that are answered
 * at once, `ask` for registration and the like; `beat` is kept free for the TTL check, so that no number of watches
 * can let it lapse.
 */
export type Lane = 'poll' | 'look' | 'ask' | 'beat';

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
  readonly headers: http.IncomingHttpHeaders;
  readonly body: AnswerBody;
}

/** What is used of the package beyond its types: the request methods that it inherits from `papi`. */
type Verb = (request: object, last: (request: PapiRequest, next: PapiNext) => void) => Promise<unknown>;
interface PapiRequest {
  err?: Error & { isTimeout?: boolean };
  res?: http.IncomingMessage;
}
type PapiNext = (stop: false, error?: Error, value?: unknown) => void;
type Inherited = Record<'_get' | '_put' | '_post', Verb> & { destroy(): void };

const verbs = { GET: '_get', PUT: '_put', POST: '_post' } as const;

/**
 * ConsulClient is the only place that imports the `consul` package. One exchange at a time per call, each with a
 * bound, a timeout on the kit's wheel and an AbortSignal: all three are missing from the package.
 *
 * The package's own methods cannot carry a bound on the answer, and drop what they do not know (`Kind`, `cached`),
 * so every question goes through the request methods that it inherits.
 */
export class ConsulClient {
  readonly url: string;
  readonly #kit: Pick<Kit, 'wheel'>;
  readonly #settings: ConsulSettings;
  readonly #lanes: Map<Lane, { client: Inherited; agent: http.Agent }> = new Map();

  /** Throws an error when a file for HTTPS cannot be read or the URL is not one. */
  constructor(settings: ConsulSettings, kit: Pick<Kit, 'wheel'>) {
    this.url = settings.url.replace(/\/+$/, '');
    this.#kit = kit;
    this.#settings = settings;
    const tls = this.url.startsWith('https:') ? readTls(settings) : null;
    // At most, and at rest: an agent refuses its 201st connection, whoever holds the others.
    const lanes: [Lane, number, number][] = [
      ['poll', mostPolls, mostPolls],
      ['look', mostLooks, mostLooks],
      ['ask', 2, 1],
      ['beat', 1, 1],
    ];
    for (const [lane, maxSockets, maxFreeSockets] of lanes) {
      const options = { keepAlive: true, maxSockets, maxFreeSockets };
      const agent = tls === null ? new http.Agent(options) : new https.Agent({ ...options, ...tls });
      // `baseUrl` is read, but not in the package's types.
      const own: object = { baseUrl: `${this.url}/v1`, agent };
      this.#lanes.set(lane, { client: new Consul(own) as unknown as Inherited, agent });
    }
  }

  /** Makes one exchange. Rejects with a ConsulError, always. */
  async exchange(request: Request): Promise<Response> {
    const place = `Consul at ${this.url}: ${request.method} /v1${fill(request)}`;
    const headers = await this.#headers();
    // Looked at after the wait, in which nobody listens to it.
    if (request.signal.aborted) throw new ConsulError('stopped', `${place}: stopped`);
    return new Promise<Response>((settle, reject) => {
      const ctx = new EventEmitter();
      let over = false;
      const end = (error: ConsulError | null, response?: Response): void => {
        if (over) return;
        over = true;
        this.#kit.wheel.disarm(limit);
        request.signal.removeEventListener('abort', stop);
        if (error === null) settle(response!);
        else {
          reject(error);
          ctx.emit('cancel');
        }
      };
      const fail = (failure: ConsulError['failure'], why: string, status = 0): void =>
        end(new ConsulError(failure, `${place}: ${why}`, status));
      const stop = (): void => fail('stopped', 'stopped');
      const limit = timer(() =>
        fail('timeout', `no answer within ${request.timeoutMs} ms; is the agent overloaded or cut off?`),
      );
      const most = this.#settings.largestAnswer ?? largestAnswer;
      const body = new BoundedBody(most, (why) =>
        why === 'large'
          ? fail('large', `the answer is longer than ${most} bytes and was not read`)
          : fail('garbage', 'the answer broke off'),
      );
      this.#kit.wheel.arm(limit, request.timeoutMs);
      request.signal.addEventListener('abort', stop);
      const { lane, method, path, params = {}, query = {} } = request;
      const said = request.body === undefined ? {} : { body: request.body, type: 'json' };
      const asked = { path, params, query, headers, ctx, pipe: body, ...said };
      const { client } = this.#lanes.get(lane)!;
      client[verbs[method]](asked, (done, next) => {
        const status = done.res?.statusCode ?? 0;
        if (done.res === undefined) fail('refused', hint(reasonOf(done.err)));
        else if (status === 404 && request.mayLack === true && 'x-consul-index' in done.res.headers)
          end(null, { status, headers: done.res.headers, body });
        else if (status !== 200) fail('status', `${status} ${explain(status, body.text)}`, status);
        else if (done.err !== undefined) fail('refused', reasonOf(done.err));
        else end(null, { status, headers: done.res.headers, body });
        next(false);
      }).catch((thrown) => fail('refused', hint(reasonOf(thrown))));
    });
  }

  /** Closes every connection. Exchanges under way fail. */
  close(): void {
    for (const { client } of this.#lanes.values()) client.destroy();
  }

  async #headers(): Promise<Record<string, string>> {
    const { tokenFile, token } = this.#settings;
    if (!tokenFile) return token ? { 'x-consul-token': token } : {};
    const read = await readFile(tokenFile, 'utf8').catch((thrown) => {
      throw new ConsulError(
        'token',
        `discovery.consul.token-file: ${reasonOf(thrown)}; write the token there`,
      );
    });
    return { 'x-consul-token': read.trim() };
  }
}

const fill = ({ path, params = {} }: Request): string =>
  path.replace(/\{(\w+)\}/g, (_, name) => params[name] ?? '');

const hint = (why: string): string =>
  why.includes('ECONNREFUSED') || why === 'no reason given'
    ? `${why}; start an agent there, or set discovery.consul.url`
    : why;

const explain = (status: number, body: string): string => {
  const said = reasonOf(body.slice(0, 1000));
  if (status === 403) return `${said}; the token lacks the rights for this (discovery.consul.token-file)`;
  return said;
};
