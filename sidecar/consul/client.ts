import { readFile } from 'node:fs/promises';
import type { Kit } from '../core/kit.ts';
import { timer } from '../core/wheel.ts';
import { BoundedBody, largestAnswer } from './answer-body.ts';
import { CacheLane } from './cache-lane.ts';
import { ConsulError, reasonOf } from './errors.ts';
import type { Request, Response } from './exchange.ts';
import { Lanes } from './lanes.ts';
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
 * ConsulClient makes exchanges with the agent, each with a bound, a timeout on the kit's wheel and an AbortSignal: all
 * three are missing from the `consul` package.
 */
export class ConsulClient {
  readonly url: string;
  readonly #kit: Pick<Kit, 'wheel'>;
  readonly #settings: ConsulSettings;
  readonly #lanes: Lanes;
  readonly #cache: CacheLane;
  /** The token's file, while it is being read. */
  #reading: Promise<string> | null = null;

  /** Throws an error when a file for HTTPS cannot be read or the URL is not one. */
  constructor(settings: ConsulSettings, kit: Pick<Kit, 'wheel'>) {
    this.url = settings.url.replace(/\/+$/, '');
    this.#kit = kit;
    this.#settings = settings;
    const tls = this.url.startsWith('https:') ? readTls(settings) : null;
    this.#lanes = new Lanes(this.url, tls);
    this.#cache = new CacheLane(this.url, tls);
  }

  /** Makes one exchange. Rejects with a ConsulError, always. */
  async exchange(request: Request): Promise<Response> {
    const place = `Consul at ${this.url}: ${request.method} /v1${fill(request)}`;
    const headers = await this.#headers();
    // Looked at after the wait, in which nobody listens to it.
    if (request.signal.aborted) throw new ConsulError('stopped', `${place}: stopped`);
    const { send } = request.lane === 'cache' ? this.#cache : this.#lanes;
    return new Promise<Response>((settle, reject) => {
      let over = false;
      let giveUp = (_isStuck: boolean): void => {};
      const end = (): boolean => {
        if (over) return false;
        over = true;
        this.#kit.wheel.disarm(limit);
        request.signal.removeEventListener('abort', stop);
        return true;
      };
      const fail = (failure: ConsulError['failure'], why: string, status = 0): void => {
        if (!end()) return;
        reject(new ConsulError(failure, `${place}: ${why}`, status));
        giveUp(failure === 'timeout' || failure === 'large');
      };
      const stop = (): void => fail('stopped', 'stopped');
      const limit = timer(() =>
        fail('timeout', `no answer within ${request.timeoutMs} ms; is the agent overloaded or cut off?`),
      );
      const most = this.#settings.largestAnswer ?? largestAnswer;
      const body = new BoundedBody(most);
      this.#kit.wheel.arm(limit, request.timeoutMs);
      request.signal.addEventListener('abort', stop);
      giveUp = send(request, headers, {
        body,
        answered: (status, answer) => {
          const isLacking = status === 404 && request.mayLack === true && 'x-consul-index' in answer;
          if (status !== 200 && !isLacking) fail('status', `${status} ${explain(status, body.text)}`, status);
          else if (end()) settle({ status, headers: answer, body });
        },
        failed: (failure, why) => fail(failure, failure === 'refused' ? hint(why) : why),
        tooLong: () => fail('large', `the answer is longer than ${most} bytes and was not read`),
      });
    });
  }

  /** Closes every connection. Exchanges under way fail. */
  close(): void {
    this.#lanes.close();
    this.#cache.close();
  }

  async #headers(): Promise<Record<string, string>> {
    const { tokenFile, token } = this.#settings;
    if (!tokenFile) return token ? { 'x-consul-token': token } : {};
    // Once for all who ask in one turn.
    this.#reading ??= readToken(tokenFile).finally(() => {
      this.#reading = null;
    });
    return { 'x-consul-token': await this.#reading };
  }
}

const readToken = async (path: string): Promise<string> => {
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (thrown) {
    throw new ConsulError('token', `discovery.consul.token-file: ${reasonOf(thrown)}; write the token there`);
  }
};

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
