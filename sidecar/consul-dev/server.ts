import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Log } from '../core/log.ts';
import type { Answer, Ask, Route } from './ask.ts';
import { Refusal } from './refusal.ts';

/** Bytes of a request's body; a value in KV may be half a mebibyte, as in Consul. */
const bodyLimit = 512 * 1024;

/** Settings of the HTTP server. */
export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  /** Connections that one client address may hold; the next is told 429 and closed, as by a real agent. */
  readonly connectionsPerClient: number;
  /** Believe only a Host that is this machine, so that a web page cannot reach a loopback agent under its own name. */
  readonly localHostsOnly: boolean;
  readonly log: Log;
}

/** Serves the routes over HTTP/1.1. Resolves when it listens; rejects when the address cannot be had. */
export const serve = async (routes: readonly Route[], options: ServerOptions): Promise<Server> => {
  // Words before names: `service/register` is no service of that id.
  const table = routes
    .map((route) => ({ route, match: matcher(route.path) }))
    .sort((a, b) => words(b.route.path) - words(a.route.path));
  const server = createServer((request, response) => {
    answer(table, options, request, response)
      .catch((error: unknown) => refused(error, request, options.log))
      .then((given) => write(given, request, response))
      .catch((error: unknown) => {
        options.log.debug({ error: String(error) }, 'consul-dev answer lost');
        response.destroy();
      });
  });
  // Counts until the request has been read: a blocking query may hold for longer, a client that stalls may not.
  server.requestTimeout = 30_000;
  server.keepAliveTimeout = 120_000;
  limitConnections(server, options.connectionsPerClient);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, () => resolve());
  });
  return server;
};

/** The port that a server has got. */
export const portOf = (server: Server): number => (server.address() as AddressInfo).port;

type Table = readonly { route: Route; match: (path: string) => Record<string, string> | null }[];

const answer = async (
  table: Table,
  options: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<Answer> => {
  if (options.localHostsOnly && !isLocal(request.headers.host ?? ''))
    throw new Refusal(403, `Host '${request.headers.host}' is not this machine; use 127.0.0.1 or localhost`);
  const [path = '/', query = ''] = split(request.url ?? '/');
  const found = table.flatMap(({ route, match }) => {
    const parts = match(path);
    return parts === null ? [] : [{ route, parts }];
  });
  if (found.length === 0) throw new Refusal(404, '');
  const most = found[0]!.route.path;
  const here = found.filter(({ route }) => route.path === most);
  const chosen = here.find(({ route }) => route.method === request.method);
  if (chosen === undefined)
    throw new Refusal(405, `method ${request.method} not allowed`, {
      Allow: ['OPTIONS', ...here.map(({ route }) => route.method)].join(','),
    });
  const body = await bodyOf(request);
  const ask: Ask = {
    method: request.method ?? 'GET',
    parts: chosen.parts,
    search: new URLSearchParams(query),
    body,
    onGone: (then) => response.once('close', then),
  };
  return chosen.route.answer(ask);
};

const refused = (error: unknown, request: IncomingMessage, log: Log): Answer => {
  if (error instanceof Refusal)
    return {
      status: error.status,
      headers: { ...(error.message === '' ? {} : plain), ...error.headers },
      raw: error.message,
    };
  log.error({ error: (error as Error)?.stack ?? String(error), url: request.url }, 'consul-dev failed');
  return { status: 500, headers: plain, raw: `development agent: ${(error as Error)?.message ?? error}` };
};

const plain: Readonly<Record<string, string>> = { 'Content-Type': 'text/plain; charset=utf-8' };

const write = (given: Answer, request: IncomingMessage, response: ServerResponse): void => {
  const pretty = /[?&]pretty(?:[=&]|$)/.test(request.url ?? '');
  const body =
    given.json === undefined ? (given.raw ?? '') : `${JSON.stringify(given.json, null, pretty ? 4 : 0)}\n`;
  response.writeHead(given.status ?? 200, {
    ...(given.json === undefined ? {} : { 'Content-Type': 'application/json' }),
    'Content-Length': Buffer.byteLength(body),
    ...given.headers,
    ...(given.status === 413 ? { Connection: 'close' } : {}),
  });
  response.end(body);
};

const bodyOf = (request: IncomingMessage): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= bodyLimit) chunks.push(chunk);
      else {
        // Read on without keeping, so that the answer is not lost in a reset of a client that still writes.
        chunks.length = 0;
        reject(new Refusal(413, `Request body too large, max size: ${bodyLimit} bytes`));
      }
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', reject);
    request.on('close', () => reject(new Refusal(400, 'the client has gone')));
  });

const words = (path: string): number => path.split('/').filter((word) => !word.startsWith(':')).length;

const split = (url: string): string[] => {
  const at = url.indexOf('?');
  return at < 0 ? [url] : [url.slice(0, at), url.slice(at + 1)];
};

const isLocal = (host: string): boolean => {
  const name = host.replace(/:\d*$/, '').toLowerCase();
  return name === 'localhost' || /^127(?:\.\d{1,3}){3}$/.test(name) || name === '[::1]';
};

/** Turns `/v1/config/:kind/:name` into a match; the last part takes what remains. */
const matcher = (path: string): ((path: string) => Record<string, string> | null) => {
  const words = path.split('/');
  return (given) => {
    const parts = given.split('/');
    const last = words.length - 1;
    const open = words[last]!.startsWith(':');
    if (open ? parts.length < words.length : parts.length !== words.length) return null;
    const named: Record<string, string> = {};
    for (const [at, word] of words.entries()) {
      const part = at === last ? parts.slice(at).join('/') : parts[at]!;
      if (!word.startsWith(':')) {
        if (word !== part) return null;
      } else named[word.slice(1)] = decode(part);
    }
    return named;
  };
};

const decode = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Refusal(400, `the path has a broken percent encoding: ${part}`);
  }
};

const limitConnections = (server: Server, most: number): void => {
  const held = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const from = socket.remoteAddress ?? '';
    const count = (held.get(from) ?? 0) + 1;
    held.set(from, count);
    socket.once('close', () => {
      const left = held.get(from)! - 1;
      if (left === 0) held.delete(from);
      else held.set(from, left);
    });
    if (count > most)
      socket.end(
        'HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain\r\nContent-Length: 44\r\nConnection: close\r\n\r\n' +
          'development agent: too many connections held',
        () => socket.destroy(),
      );
  });
};
