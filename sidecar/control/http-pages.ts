import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Log } from '../core/log.ts';
import type { Meter } from '../core/meter.ts';
import type { Answer, Page } from './pages.ts';
import type { SidecarView } from './view.ts';

/** What a port with pages is opened with. */
export interface PagesOptions {
  /** The port's name in messages, metrics and settings: `listen.admin`. */
  readonly name: 'admin' | 'health';
  readonly host: string;
  /** 0 for a free port. */
  readonly port: number;
  readonly pages: ReadonlyMap<string, Page>;
  /** True: only requests that name this machine are answered. */
  readonly localNamesOnly: boolean;
  readonly log: Log;
  readonly meter: Meter;
  readonly limits: { readonly 'admin-connections': number; readonly 'admin-request': number };
  /** Read at each request, never before the port is bound. */
  readonly view: SidecarView;
}

/** A read-only HTTP port. */
export interface PagesPort {
  /** As bound. */
  readonly host: string;
  readonly port: number;
  /** Ends all connections and resolves when the port is free. */
  close(): Promise<void>;
}

/** Bytes of the header block of a request. */
const longestHeader = 8 * 1024;

/** Limits that Node watches over, by the error that it reports. */
const refusals: Readonly<Record<string, { limit: string | null; answer: string }>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { limit: 'admin-request', answer: '408 Request Timeout' },
  HPE_HEADER_OVERFLOW: { limit: 'admin-header', answer: '431 Request Header Fields Too Large' },
};

/** Opens the port; rejects with the cause, the address and the fix when it is taken. */
export const servePages = (options: PagesOptions): Promise<PagesPort> =>
  new Promise((resolve, reject) => {
    const { host, port, limits, log, meter, name } = options;
    const server = createServer(
      {
        maxHeaderSize: longestHeader,
        headersTimeout: limits['admin-request'],
        requestTimeout: limits['admin-request'],
        keepAliveTimeout: limits['admin-request'],
        // How often Node looks for requests that are too late: as often as one may be late.
        connectionsCheckingInterval: Math.min(limits['admin-request'], 1000),
      },
      (request, response) => write(request, response, answer(request, options)),
    );
    server.maxConnections = limits['admin-connections'];
    const breach = (limit: string): void => {
      meter.count('outrigger_limit_breaches_total', name, limit).value++;
      log.debug({ limit }, `the ${name} port refused a connection`);
    };
    server.on('drop', () => breach('admin-connections'));
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const { limit, answer } = refusals[error.code ?? ''] ?? { limit: null, answer: '400 Bad Request' };
      if (limit !== null) breach(limit);
      if (socket.writable) socket.end(`HTTP/1.1 ${answer}\r\nconnection: close\r\n\r\n`);
      else socket.destroy();
    });
    server.once('error', (error: NodeJS.ErrnoException) => reject(explain(error, options)));
    server.listen({ host, port }, () => {
      const bound = server.address() as AddressInfo;
      resolve({
        host: bound.address,
        port: bound.port,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });

const explain = (error: NodeJS.ErrnoException, { name, host, port }: PagesOptions): Error =>
  error.code === 'EADDRINUSE'
    ? new Error(
        `the ${name} port ${host}:${port} is in use: stop who uses it, or set listen.${name} to another port`,
      )
    : new Error(`the ${name} port ${host}:${port} could not be opened: ${error.message}; set listen.${name}`);

const plain = (code: number, body: string): Answer => ({
  code,
  contentType: 'text/plain; charset=utf-8',
  body: `${body}\n`,
});

const answer = (request: IncomingMessage, { name, pages, localNamesOnly, view }: PagesOptions): Answer => {
  if (localNamesOnly && !isLocalHost(request.headers.host))
    return plain(403, 'the Host header must name this machine: 127.0.0.1, [::1] or localhost');
  if (localNamesOnly && !isLocalOrigin(request.headers.origin))
    return plain(403, 'a page of another site has nothing to ask here');
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return plain(405, `the ${name} port is read-only: GET or HEAD`);
  const path = (request.url ?? '').split('?', 1)[0]!;
  const page = pages.get(path);
  if (page === undefined) return plain(404, `pages: ${[...pages.keys()].join(' ')}`);
  return page(view);
};

/**
 * True for names that cannot be anybody else's. A page in a browser on this machine could otherwise point a name
 * of its own at 127.0.0.1 and read what is here (DNS rebinding): the name in Host gives it away.
 */
const isLocalHost = (host: string | undefined): boolean =>
  host !== undefined && /^(127(\.\d{1,3}){3}|\[::1\]|localhost)(:\d{1,5})?$/i.test(host);

/** True for requests that no page in a browser makes, or one of this machine. `null` is what a page says that hides its own. */
const isLocalOrigin = (origin: string | undefined): boolean =>
  origin === undefined || isLocalHost(/^https?:\/\/(.*)$/.exec(origin)?.[1]);

const write = (
  request: IncomingMessage,
  response: ServerResponse,
  { code, contentType, body }: Answer,
): void => {
  response.writeHead(code, {
    'content-type': contentType,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...(code === 405 ? { allow: 'GET, HEAD' } : {}),
    // A body that nobody asked for is not read: its connection ends here.
    ...(hasBody(request) ? { connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
};

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
