import http2 from 'node:http2';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FrameType } from '../../../wire/frames.ts';
import { ErrorCode } from '../../../wire/index.ts';
import { RawPeer, request, until } from '../../support/raw-http2.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));

const everything = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(text));
  });

describe('what is not gRPC over HTTP/2 on the app port', () => {
  let mesh: TwoSidecars;
  let port: number;
  beforeAll(async () => {
    mesh = await twoSidecars();
    port = portOf(mesh.caller.ports.app);
  });
  afterAll(() => mesh.close());

  interface HttpAnswer {
    status: unknown;
    id: unknown;
    text: string;
  }
  const madeId = expect.stringMatching(/^[0-9a-f]{32}$/);

  const ask = (headers: http2.OutgoingHttpHeaders): Promise<HttpAnswer> =>
    new Promise((resolve, reject) => {
      const session = http2.connect(`http://127.0.0.1:${port}`);
      const answer: HttpAnswer = { status: 0, id: null, text: '' };
      const stream = session.request(headers);
      stream.on('response', (fields) => {
        answer.status = fields[':status'];
        answer.id = fields['x-request-id'];
      });
      stream.on('data', (chunk: Buffer) => {
        answer.text += chunk;
      });
      stream.on('error', reject);
      stream.end();
      stream.on('close', () => {
        session.close();
        resolve(answer);
      });
    });

  it('HTTP/1.1 is answered in words of HTTP/1.1 that say what is expected', async () => {
    const { status, headers, text } = await fetch(`http://127.0.0.1:${port}/interop.Echo/Unary`, {
      method: 'POST',
      body: 'x',
    }).then(async (response) => ({
      status: response.status,
      headers: response.headers,
      text: await response.text(),
    }));
    expect(status).toBe(505);
    expect(headers.get('content-type')).toContain('text/plain');
    expect(text).toBe(
      'This is the app port of an Outrigger sidecar: it takes gRPC over HTTP/2 (prior knowledge), not HTTP/1.1.\n',
    );
  });

  it('that answer has an id too, its own when that is clean, and is counted', async () => {
    const counted = () => sumOf(mesh.caller, 'outrigger_calls_total', 'method="malformed"', 'code="UNKNOWN"');
    const before = counted();
    const idFor = async (id: string) =>
      (await fetch(`http://127.0.0.1:${port}/`, { headers: { 'x-request-id': id } })).headers.get(
        'x-request-id',
      );
    expect(await idFor('page-1')).toBe('page-1');
    expect(await idFor('a"b')).toMatch(/^[0-9a-f]{32}$/);
    expect(counted() - before).toBe(2);
  });

  it('a TLS client is told nothing, but the port stays', async () => {
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from('16030100050100000100', 'hex')));
    await everything(socket);
    expect((await mesh.client.call('Unary', 'after')).code).toBe(0);
  });

  it.each([
    ['text/plain', 'POST'],
    ['application/json', 'POST'],
    ['', 'GET'],
  ])('content-type %j by %s gets 415 and a sentence', async (type, method) => {
    const headers = {
      ':method': method,
      ':path': '/interop.Echo/Unary',
      ...(type !== '' && { 'content-type': type }),
    };
    expect(await ask(headers)).toEqual({
      status: 415,
      id: madeId,
      text: `this port takes gRPC over HTTP/2, that is content-type: application/grpc, not '${type}'\n`,
    });
  });

  it('a method other than POST is told so', async () => {
    const headers = { ':method': 'PUT', ':path': '/interop.Echo/Unary', 'content-type': 'application/grpc' };
    expect(await ask(headers)).toEqual({ status: 405, id: madeId, text: 'gRPC calls are POST requests\n' });
  });

  it("the caller's own id comes back, and each answer is counted among the calls", async () => {
    const headers = {
      ':method': 'POST',
      ':path': '/',
      'content-type': 'text/html',
      'x-request-id': 'page-1',
    };
    const before = sumOf(mesh.caller, 'outrigger_calls_total', 'method="malformed"', 'code="UNKNOWN"');
    expect((await ask(headers)).id).toBe('page-1');
    const after = sumOf(mesh.caller, 'outrigger_calls_total', 'method="malformed"', 'code="UNKNOWN"');
    expect(after - before).toBe(1);
    expect(sumOf(mesh.callees[0]!, 'outrigger_calls_total', 'method="malformed"')).toBe(0);
  });

  it('garbage harms nobody else', async () => {
    const neighbour = mesh.client.bidi();
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.alloc(400, 0xfe)));
    await everything(socket);
    neighbour.call.write(Buffer.from('still here'));
    neighbour.call.end();
    expect((await neighbour.ended).code).toBe(0);
    expect(neighbour.messages.map(String)).toEqual(['still here']);
  });

  it('an upper-case field name is malformed: the stream is reset, the next is served', async () => {
    const peer = await RawPeer.dial(port);
    peer.send(request(1, true, 'X-Upper', 'v'));
    await until(() => peer.resetCode(1) >= 0, 'a reset');
    expect(peer.resetCode(1)).toBe(ErrorCode.PROTOCOL_ERROR);
    peer.send(request(3, true));
    await until(() => peer.of(FrameType.HEADERS, 3).length > 0, 'an answer on the same connection');
    peer.close();
  });
});
