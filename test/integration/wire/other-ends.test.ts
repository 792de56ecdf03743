import { createHash, randomBytes } from 'node:crypto';
import { connect, createServer, type Http2Server } from 'node:http2';
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { message, requestFields, until } from '../../support/raw-http2.ts';
import { answerEcho, dialWire, startWire } from '../../support/wire-server.ts';
import { leaveNothing } from '../../support/wire-server-leftovers.ts';

leaveNothing();

const portOf = (server: Http2Server): number => (server.address() as { port: number }).port;
const sha = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');
const body = randomBytes(4 * 1024 * 1024);
const whole = message(body);

describe('node:http2', () => {
  test('as a client: 4 MiB there and back, 20 streams at a time', async () => {
    const server = await startWire({ answer: answerEcho });
    // Its own limit of 10 MB counts what waits to be sent.
    const session = connect(`http://127.0.0.1:${server.port}`, { maxSessionMemory: 1000 });
    const sums = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const octets = message(body.subarray(0, i === 0 ? body.length : 100_000 * i));
        const stream = session.request({ ':method': 'POST', ':path': '/t.S/Echo' });
        stream.end(octets);
        const chunks: Buffer[] = [];
        let trailers: unknown;
        stream.on('trailers', (each) => (trailers = each['grpc-status']));
        for await (const chunk of stream) chunks.push(chunk as Buffer);
        return [trailers, sha(Buffer.concat(chunks)) === sha(octets)];
      }),
    );
    expect(sums).toEqual(Array(20).fill(['0', true]));
    await new Promise<void>((resolve) => void session.close(() => resolve()));
    expect(server.loop.held).toBe(0);
    expect(server.breaches).toEqual([]);
    await server.close();
  });

  test('as a client with a window of a gibibyte: a large reply does not count as not being read', async () => {
    const server = await startWire({
      answer: ({ stream }) => {
        stream!.headers([':status', '200'], null, false);
        for (let i = 0; i < 4; i++) stream!.write(whole, 0, whole.length);
        stream!.trailers(['grpc-status', '0']);
        stream!.release();
      },
    });
    const session = connect(`http://127.0.0.1:${server.port}`, { settings: { initialWindowSize: 2 ** 30 } });
    await new Promise<void>((resolve) => void session.on('connect', () => resolve()));
    session.setLocalWindowSize(2 ** 30);
    const stream = session.request({ ':path': '/' });
    let bytes = 0;
    for await (const chunk of stream) bytes += (chunk as Buffer).length;
    expect(bytes).toBe(4 * whole.length);
    expect(server.breaches).toEqual([]);
    await new Promise<void>((resolve) => void session.close(() => resolve()));
    await server.close();
  });

  test('as a server: 4 MiB there and back, trailers, and its graceful GOAWAY', async () => {
    const server = createServer();
    server.on('stream', (stream) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.pipe(stream);
    });
    let leave = () => {};
    server.on('session', (session) => {
      leave = () => void session.close();
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    const client = await dialWire(portOf(server));
    const call = client.call(requestFields, false);
    call.target.write(whole, 0, whole.length);
    call.target.end();
    await until(() => call.bytes > 100_000, 'the beginning of the echo');
    leave();
    await until(() => call.over, 'the end of it');
    expect(call.aborts).toEqual([]);
    expect(sha(call.body)).toBe(sha(whole));
    expect(call.field('grpc-status')).toBe('0');
    await until(() => client.closings.length === 1, 'the connection to close');
    expect(client.drainings.length).toBe(1);
    await client.close();
    await new Promise<void>((resolve) => void server.close(() => resolve()));
  });
});

const method = {
  path: '/t.S/Echo',
  requestSerialize: (octets: Buffer) => octets,
  requestDeserialize: (octets: Buffer) => octets,
  responseSerialize: (octets: Buffer) => octets,
  responseDeserialize: (octets: Buffer) => octets,
};
const service: ServiceDefinition = {
  unary: { ...method, path: '/t.S/Unary', requestStream: false, responseStream: false },
  bidi: { ...method, requestStream: true, responseStream: true },
};

describe('grpc-js', () => {
  test('as a client: unary calls and a bidi stream, metadata and status', async () => {
    const server = await startWire({ answer: answerEcho });
    const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
    const identity = (octets: Buffer) => octets;
    const replies = await Promise.all(
      Array.from({ length: 50 }, (_, i) => {
        const metadata = new Metadata();
        metadata.set('x-trace-bin', randomBytes(20));
        return new Promise<Buffer>((resolve, reject) => {
          client.makeUnaryRequest(
            '/t.S/Echo',
            identity,
            identity,
            Buffer.alloc(1000, i),
            metadata,
            (error, reply) => (error ? reject(error) : resolve(reply!)),
          );
        });
      }),
    );
    expect(replies.map((reply, i) => reply.equals(Buffer.alloc(1000, i)))).toEqual(Array(50).fill(true));
    const stream = client.makeBidiStreamRequest('/t.S/Echo', identity, identity);
    const heard: number[] = [];
    for (let i = 0; i < 20; i++) stream.write(Buffer.alloc(i * 1000));
    stream.end();
    for await (const reply of stream) heard.push((reply as Buffer).length);
    expect(heard).toEqual(Array.from({ length: 20 }, (_, i) => i * 1000));
    client.close();
    await until(() => server.loop.driven.size === 0, 'the client to leave');
    expect(server.breaches).toEqual([]);
    await server.close();
  });

  test('as a server: unary calls, a bidi stream, a refusal and its shutdown', async () => {
    const server = new Server();
    server.addService(service, {
      unary: (call: { request: Buffer }, reply: (error: object | null, octets?: Buffer) => void) =>
        call.request.length === 0 ? reply({ code: 5, details: 'nothing there' }) : reply(null, call.request),
      bidi: (call: NodeJS.ReadWriteStream) => call.pipe(call),
    });
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    const client = await dialWire(port);
    const fieldsOf = (path: string) => requestFields.map((each) => (each === '/t.S/Echo' ? path : each));
    const unary = client.call(fieldsOf('/t.S/Unary'), false);
    const large = message(body.subarray(0, 3_000_000));
    unary.target.write(large, 0, large.length);
    unary.target.end();
    const refused = client.call(fieldsOf('/t.S/Unary'), false);
    refused.target.write(message(Buffer.alloc(0)), 0, 5);
    refused.target.end();
    const unknown = client.call(fieldsOf('/t.S/Nothing'), true);
    const bidi = client.call(requestFields, false);
    for (let i = 0; i < 10; i++) {
      bidi.target.write(message(Buffer.alloc(10_000, i)), 0, 10_005);
      await until(() => bidi.bytes === 10_005 * (i + 1), `reply ${i}`);
    }
    bidi.target.end();
    const calls = [unary, refused, unknown, bidi];
    await until(() => calls.every((call) => call.over), 'all replies');
    expect(calls.map((call) => call.field('grpc-status'))).toEqual(['0', '5', '12', '0']);
    expect(sha(unary.body)).toBe(sha(large));
    expect(refused.field('grpc-message')).toBe('nothing%20there');
    await new Promise<void>((resolve) => void server.tryShutdown(() => resolve()));
    await until(() => client.closings.length === 1, 'the connection to close');
    await client.close();
  });
});
