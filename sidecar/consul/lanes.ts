import { EventEmitter } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import Consul from 'consul';
import { BodySink } from './answer-body.ts';
import { reasonOf } from './errors.ts';
import type { Lane, Request, Way } from './exchange.ts';
import { mostLooks, mostPolls } from './polls.ts';
import type { ConsulTls } from './tls.ts';

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
 * Lanes is the only place that imports the `consul` package: one client of it for each lane, with connections of its own.
 *
 * The package's own methods cannot carry a bound on the answer, and drop what they do not know (`Kind`, `cached`),
 * so every question goes through the request methods that it inherits.
 */
export class Lanes {
  readonly #clients: Map<Lane, Inherited> = new Map();

  constructor(url: string, tls: ConsulTls | null) {
    // At most, and at rest: an agent refuses its 201st connection, whoever holds the others.
    const lanes: [Lane, number, number][] = [
      ['poll', mostPolls, mostPolls],
      ['look', mostLooks, 1],
      ['ask', 2, 1],
      ['beat', 1, 1],
    ];
    for (const [lane, maxSockets, maxFreeSockets] of lanes) {
      const options = { keepAlive: true, maxSockets, maxFreeSockets };
      const agent = tls === null ? new http.Agent(options) : new https.Agent({ ...options, ...tls });
      // `baseUrl` is read, but not in the package's types.
      const own: object = { baseUrl: `${url}/v1`, agent };
      this.#clients.set(lane, new Consul(own) as unknown as Inherited);
    }
  }

  readonly send: Way = (
    { lane, method, path, params = {}, query = {}, body: said }: Request,
    headers,
    hearing,
  ) => {
    const ctx = new EventEmitter();
    const pipe = new BodySink(hearing.body, (why) =>
      why === 'large' ? hearing.tooLong() : hearing.failed('garbage', 'the answer broke off'),
    );
    const asked = {
      path,
      params,
      query,
      headers,
      ctx,
      pipe,
      ...(said !== undefined && { body: said, type: 'json' }),
    };
    const refused = (thrown: unknown): void => hearing.failed('refused', reasonOf(thrown));
    const client = this.#clients.get(lane)!;
    client[verbs[method]](asked, (done, next) => {
      const { res, err } = done;
      if (res === undefined) refused(err);
      // The package calls each status but 2xx an error.
      else if (err !== undefined && res.statusCode === 200) refused(err);
      else hearing.answered(res.statusCode ?? 0, res.headers);
      next(false);
    }).catch(refused);
    return () => void ctx.emit('cancel');
  };

  close(): void {
    for (const client of this.#clients.values()) client.destroy();
  }
}
