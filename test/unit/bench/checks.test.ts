import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { answer } from '../../../bench/echo.ts';
import type { Load, Outcome } from '../../../bench/load/job.ts';
import { run } from '../../../bench/load/run.ts';
import {
  Connection,
  type ConnectionListener,
  defaultLimits,
  Loop,
  type Stream,
  type StreamListener,
} from '../../../wire/index.ts';

const head = [':status', '200', 'content-type', 'application/grpc'];
let server: Server | null = null;

/** Makes calls for a moment against a server that answers as told. */
const measure = async (stream: ConnectionListener['stream'], load: Partial<Load> = {}): Promise<Outcome> => {
  const listener: ConnectionListener = {
    ready: () => {},
    stream,
    room: () => {},
    draining: () => {},
    closed: () => {},
    breach: () => {},
  };
  const loop = new Loop();
  server = createServer(
    (socket) => new Connection(socket, { role: 'server', loop, limits: defaultLimits, listener }),
  );
  await new Promise<void>((resolve) => server!.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const standard = { kind: 'closed', headers: 'differing', bytes: 128, connections: 2, inFlight: 4 };
  return run({ ...standard, watch: [], warmMs: 20, windowMs: 50, port, ...load } as Load);
};

afterEach(() => new Promise<void>((resolve) => void server?.close(() => resolve())));

describe('the load generator', () => {
  it('counts calls that came back in full', async () => {
    const outcome = await measure(answer);
    expect(outcome).toMatchObject({ failed: 0, cancelled: 0 });
    expect(outcome.done).toBeGreaterThan(0);
    expect(outcome.ended).toBeGreaterThanOrEqual(outcome.done);
  });

  it('counts the messages of bidi streams, and each stream as one call', async () => {
    const outcome = await measure(answer, { kind: 'talk', streams: 3, outstanding: 4 });
    expect(outcome).toMatchObject({ failed: 0, ended: 6 });
    expect(outcome.done).toBeGreaterThan(0);
  });

  it('does not take a gRPC error for a success', async () => {
    const outcome = await measure((stream) => {
      stream.headers([...head, 'grpc-status', '14'], null, true);
      stream.release();
      return answerless(stream);
    });
    expect(outcome.ended).toBe(0);
    expect(outcome.firstFailure).toContain('grpc-status 14');
  });

  it('does not take half an answer for a whole one', async () => {
    const outcome = await measure((stream) => {
      const listener = answerless(stream);
      listener.data = (chunk, start, end, ended) => {
        stream.headers(head, null, false);
        stream.write(chunk, start, end - 1);
        if (ended) stream.trailers(['grpc-status', '0']);
        stream.release();
      };
      return listener;
    });
    expect(outcome.ended).toBe(0);
    expect(outcome.firstFailure).toBe('132 octets came back of 133');
  });
});

const answerless = (stream: Stream): StreamListener => ({
  headers: () => {},
  data: () => {},
  sent: () => {},
  aborted: () => stream.release(),
});
