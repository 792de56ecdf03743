/**
 * An app of no library that echoes unary calls, in a process of its own. Started by `apps.ts`, it says its port and is then
 * told what is wrong with it; each time it answers what it has seen since it was told before.
 */
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';

/**
 * What can be wrong with an app: nothing; every call is answered UNAVAILABLE, and so says its health; every second, by
 * chance; half a second more for each; replies begin and are reset in their middle.
 */
export type Fault = 'none' | 'unavailable' | 'random' | 'slow' | 'reset';

/** What an app has seen of one caller, who says his name as the first word of the user-agent. */
export interface Seen {
  calls: number;
  open: number;
  mostAtOnce: number;
}

/** What an app has seen. */
export interface Report {
  readonly callers: Readonly<Record<string, Seen>>;
  /** Questions to grpc.health.v1, but for Envoy's. */
  readonly checks: number;
}

const slowMs = 500;
const middleMs = 5;
const head = { ':status': 200, 'content-type': 'application/grpc' } as const;
const unavailable = { ...head, 'grpc-status': '14', 'grpc-message': 'told to fail' } as const;
const serving = 1;
const notServing = 2;

let fault: Fault = 'none';
let callers: Record<string, Seen> = {};
let checks = 0;

const answer = (stream: http2.ServerHttp2Stream, messages: Buffer): void => {
  if (stream.destroyed) return;
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.respond(head, { waitForTrailers: true });
  stream.end(messages);
};

const act = (stream: http2.ServerHttp2Stream, messages: Buffer): void => {
  if (stream.destroyed) return;
  if (fault === 'unavailable' || (fault === 'random' && Math.random() < 0.5))
    return stream.respond(unavailable, { endStream: true });
  if (fault === 'slow') return void setTimeout(answer, slowMs, stream, messages);
  if (fault !== 'reset') return answer(stream, messages);
  stream.respond(head);
  stream.write(messages.subarray(0, messages.length / 2));
  // `close` would end the reply first; this sends RST_STREAM(INTERNAL_ERROR) alone.
  setTimeout(() => stream.destroy(new Error('told to reset')), middleMs);
};

const take = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void => {
  stream.on('error', () => {});
  const who = (headers['user-agent'] ?? '').split(' ')[0]!;
  if (headers[':path'] === '/grpc.health.v1.Health/Check') {
    if (who !== 'Envoy/HC') checks++;
    stream.resume();
    return answer(stream, Buffer.from([0, 0, 0, 0, 2, 8, fault === 'unavailable' ? notServing : serving]));
  }
  callers[who] ??= { calls: 0, open: 0, mostAtOnce: 0 };
  const seen = callers[who];
  seen.calls++;
  seen.mostAtOnce = Math.max(seen.mostAtOnce, ++seen.open);
  stream.on('close', () => seen.open--);
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  stream.on('end', () => act(stream, Buffer.concat(chunks)));
};

const server = http2.createServer();
server.on('session', (session) => session.on('error', () => {}));
server.on('stream', take);
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));

process.on('message', (told: Fault) => {
  const report: Report = { callers, checks };
  fault = told;
  callers = {};
  checks = 0;
  process.send!(report);
});
process.on('disconnect', () => process.exit(0));
