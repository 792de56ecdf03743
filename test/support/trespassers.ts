import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';

/** What an HTTP port answered to octets that were written by hand; 0: it hung up without a word. */
export interface Answered {
  readonly code: number;
  readonly text: string;
}

/** Writes a request as it stands, and reads until the other end hangs up. */
export const askRaw = (port: number, request: string): Promise<Answered> =>
  new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    socket.setTimeout(5000, () => socket.destroy(new Error('no answer within five seconds')));
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', (error: NodeJS.ErrnoException) => error.code !== 'ECONNRESET' && reject(error));
    socket.on('close', () => resolve({ code: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), text }));
  });

const request = (line: string, ...headers: string[]): string =>
  `${[`${line} HTTP/1.1`, ...headers, 'connection: close'].join('\r\n')}\r\n\r\n`;

const local = 'host: 127.0.0.1';

/** What a page in a browser on this machine could send, whose name was turned to 127.0.0.1, or which asks across sites. */
export const fromPages = (path: string): Readonly<Record<string, string>> => ({
  'a name turned to 127.0.0.1': request(`GET ${path}`, 'host: evil.example:15000'),
  'a name that begins like an address': request(`GET ${path}`, 'host: 127.0.0.1.evil.example'),
  'a name that ends like one': request(`GET ${path}`, 'host: evil.example:127.0.0.1'),
  'an empty name': request(`GET ${path}`, 'host:'),
  'no name': `GET ${path} HTTP/1.0\r\n\r\n`,
  'a page of another site': request(`GET ${path}`, local, 'origin: https://evil.example'),
  'a page whose site begins like an address': request(
    `GET ${path}`,
    local,
    'origin: http://127.0.0.1.evil.example',
  ),
  'a page that hides its site': request(`GET ${path}`, local, 'origin: null'),
});

/** Requests that want to change something. */
export const changes: readonly string[] = ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE'].flatMap(
  (method) =>
    ['/live', '/snapshot', '/drain', '/log-level', '/quitquitquit'].map((path) =>
      request(`${method} ${path}`, local, 'content-length: 0'),
    ),
);

/** Paths beside the pages. */
export const strayPaths: readonly string[] = [
  '/',
  '/debug',
  '/debug/pprof/',
  '/config_dump',
  '/snapshot/',
  '//snapshot',
  '/SNAPSHOT',
  '/live/../snapshot',
  '/./snapshot',
  '/%73napshot',
  '/snapshot%00',
  '/../../../../etc/passwd',
  '/..%2f..%2f..%2fetc/passwd',
  '/snapshot;x=1',
  'http://127.0.0.1/snapshot',
  '*',
].map((path) => request(`GET ${path}`, local));

/** An honest request, for control runs. */
export const honest = (path: string): string => request(`GET ${path}`, local);

/** Whether a TCP port takes connections at each address of this machine but 127.0.0.1. */
export const openElsewhere = async (port: number): Promise<readonly string[]> => {
  const addresses = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .filter(({ address, family }) => family === 'IPv4' && address !== '127.0.0.1')
    .map(({ address }) => address);
  const open: string[] = [];
  for (const host of [...addresses, ...(process.platform === 'linux' ? ['127.0.0.2'] : [])])
    await new Promise<void>((resolve) => {
      const socket = connect({ host, port, timeout: 1000 });
      socket.once('connect', () => open.push(host));
      for (const event of ['connect', 'timeout', 'error'] as const)
        socket.once(event, () => socket.destroy());
      socket.once('close', () => resolve());
    });
  return open;
};

/** Whether this process may start one of another user. */
export const canBeOthers: boolean = process.getuid?.() === 0;

/** What a process of another user gets from a unix socket: `connected`, or the code of its error. */
export const asAnother = async (path: string): Promise<string> => {
  const script = `const socket = require('net').connect(process.argv[1]);
    socket.on('connect', () => { console.log('connected'); socket.destroy(); });
    socket.on('error', ({ code }) => console.log(code));`;
  const nobody = 65_534;
  const child = spawn(process.execPath, ['-e', script, path], {
    uid: nobody,
    gid: nobody,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  await new Promise((resolve) => child.once('close', resolve));
  return said.trim();
};
