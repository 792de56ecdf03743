import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { FrameType } from '../../../wire/frames.ts';
import { ErrorCode } from '../../../wire/index.ts';
import {
  frame,
  listenRaw,
  RawPeer,
  request,
  requestFields,
  settings,
  until,
} from '../../support/raw-http2.ts';
import { dialWire, startWire } from '../../support/wire-server.ts';
import { leaveNothing } from '../../support/wire-server-leftovers.ts';

leaveNothing();

const altsvc = 0xa;
const origin = 0xc;
const emptyReset = frame(FrameType.RST_STREAM, 0, 1);
const rows: [string, Buffer][] = [
  ['ALTSVC', frame(altsvc, 0, 0, Buffer.alloc(2))],
  ['ORIGIN', frame(origin, 0, 0, Buffer.from([0xff]))],
  ['an unknown frame', frame(0xfa, 0xff, 0x7fff_ffff, Buffer.alloc(20))],
];

// Ref: CVE-2026-27135; `ALTSVC(00 00)` and `RST_STREAM` without a payload abort the process of Node 20's client.
describe.each(rows)('%s and RST_STREAM of no octets', (_, first) => {
  test('a server answers with FRAME_SIZE_ERROR and lives', async () => {
    const server = await startWire();
    const peer = await RawPeer.dial(server.port);
    peer.send(request(1, false), first, emptyReset);
    await until(() => peer.goawayCode >= 0, 'GOAWAY');
    expect(peer.goawayCode).toBe(ErrorCode.FRAME_SIZE_ERROR);
    expect(server.requests[0]!.aborts.map((abort) => abort.by)).toEqual(['connection']);
    const next = await RawPeer.dial(server.port);
    await next.settle();
    next.close();
    peer.close();
    await server.close();
  });

  test('a client ends the connection and lives; its calls are told', async () => {
    const server = await listenRaw((peer) => peer.send(settings(), first));
    const client = await dialWire(server.port);
    const call = client.call(requestFields, true);
    await until(() => server.peers[0]!.of(FrameType.HEADERS).length === 1, 'the request');
    server.peers[0]!.send(emptyReset);
    await until(() => client.closings.length > 0, 'the connection to close');
    expect(call.aborts).toMatchObject([
      { by: 'connection', code: ErrorCode.FRAME_SIZE_ERROR, reached: true },
    ]);
    await client.close();
    await server.close();
  });
});

test('control: ALTSVC of wrong size alone is ignored, as any unknown frame is', async () => {
  const server = await startWire();
  const peer = await RawPeer.dial(server.port);
  peer.send(...rows.map(([, octets]) => octets));
  await peer.settle();
  expect(peer.goawayCode).toBe(-1);
  peer.close();
  await server.close();
});

test.runIf(process.version.startsWith('v20.'))(
  "control: the same octets end the process of Node 20's own client",
  async () => {
    const server = await listenRaw((peer) => peer.send(settings(), rows[0]![1], emptyReset));
    const source = `const c = require('http2').connect('http://127.0.0.1:${server.port}');
      c.on('error', () => {}); setTimeout(() => process.exit(0), 5000);`;
    const child = spawn(process.execPath, ['-e', source], { stdio: 'ignore' });
    const [, signal] = await new Promise<[number | null, string | null]>(
      (resolve) => void child.on('exit', (code, by) => resolve([code, by])),
    );
    expect(signal).toBe('SIGABRT');
    await server.close();
  },
);

describe('frames that cannot be', () => {
  const wrong: [string, number, Buffer][] = [
    ['DATA on stream 0', ErrorCode.PROTOCOL_ERROR, frame(FrameType.DATA, 0, 0, Buffer.alloc(1))],
    ['HEADERS on stream 0', ErrorCode.PROTOCOL_ERROR, frame(FrameType.HEADERS, 4, 0)],
    ['HEADERS on an even stream', ErrorCode.PROTOCOL_ERROR, request(2, true)],
    ['SETTINGS on a stream', ErrorCode.PROTOCOL_ERROR, frame(FrameType.SETTINGS, 0, 1)],
    ['SETTINGS of five octets', ErrorCode.FRAME_SIZE_ERROR, frame(FrameType.SETTINGS, 0, 0, Buffer.alloc(5))],
    [
      'SETTINGS ACK with octets',
      ErrorCode.FRAME_SIZE_ERROR,
      frame(FrameType.SETTINGS, 1, 0, Buffer.alloc(6)),
    ],
    ['PING of seven octets', ErrorCode.FRAME_SIZE_ERROR, frame(FrameType.PING, 0, 0, Buffer.alloc(7))],
    ['GOAWAY of seven octets', ErrorCode.FRAME_SIZE_ERROR, frame(FrameType.GOAWAY, 0, 0, Buffer.alloc(7))],
    ['PUSH_PROMISE', ErrorCode.PROTOCOL_ERROR, frame(FrameType.PUSH_PROMISE, 4, 1, Buffer.alloc(4))],
    ['CONTINUATION out of nowhere', ErrorCode.PROTOCOL_ERROR, frame(FrameType.CONTINUATION, 4, 1)],
    ['a frame of 16,385 octets', ErrorCode.FRAME_SIZE_ERROR, frame(0, 0, 1, Buffer.alloc(0), 16_385)],
    ['WINDOW_UPDATE on an idle stream', ErrorCode.PROTOCOL_ERROR, frame(8, 0, 9, Buffer.from([0, 0, 0, 1]))],
    ['a connection window of 0 more', ErrorCode.PROTOCOL_ERROR, frame(8, 0, 0, Buffer.alloc(4))],
    [
      'padding longer than its frame',
      ErrorCode.PROTOCOL_ERROR,
      frame(FrameType.HEADERS, 0xc, 1, Buffer.from([9])),
    ],
    ['padding without an octet for it', ErrorCode.PROTOCOL_ERROR, frame(FrameType.HEADERS, 0xc, 1)],
    [
      'priority fields cut short',
      ErrorCode.PROTOCOL_ERROR,
      frame(FrameType.HEADERS, 0x24, 1, Buffer.alloc(4)),
    ],
    ['a stream id used again', ErrorCode.STREAM_CLOSED, Buffer.concat([request(5, true), request(3, true)])],
  ];
  test.each(wrong)('%s', async (_, code, octets) => {
    const server = await startWire();
    const peer = await RawPeer.dial(server.port);
    peer.send(octets);
    await until(() => peer.goawayCode >= 0, 'GOAWAY');
    expect(peer.goawayCode).toBe(code);
    peer.close();
    await server.close();
  });

  test('the reserved bit in front of a stream id is ignored', async () => {
    const server = await startWire();
    const peer = await RawPeer.dial(server.port);
    const octets = request(1, true);
    octets[5]! |= 0x80;
    peer.send(octets);
    await peer.settle();
    expect(server.requests.map((each) => each.stream!.id)).toEqual([1]);
    peer.close();
    await server.close();
  });
});
