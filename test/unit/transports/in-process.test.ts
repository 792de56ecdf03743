import { describe, expect, it } from 'vitest';
import { InProcess } from '../../../sidecar/transports/in-process.ts';
import { Turns } from '../../../sidecar/transports/turns.ts';
import { type Abort, ErrorCode, Loop, type StreamEnd, type StreamListener } from '../../../wire/index.ts';

const windowBytes = 65_535;

/** One side of a stream that writes down what it hears, and credits it unless it is told to hold. */
class Side implements StreamListener {
  readonly heard: string[] = [];
  stream!: StreamEnd;
  holds = false;
  bytes = 0;
  sentBytes = 0;

  headers(fields: string[], _never: string[] | null, last: boolean): void {
    this.heard.push(`${fields.join(' ')}${last ? ' last' : ''}`);
  }

  data(_chunk: Buffer, start: number, end: number, last: boolean): void {
    this.bytes += end - start;
    this.heard.push(last ? 'end' : `${end - start} octets`);
    if (!this.holds) this.stream.credit(end - start);
  }

  sent(bytes: number): void {
    this.sentBytes += bytes;
  }

  aborted({ by, code, message }: Abort): void {
    this.heard.push(`aborted by ${by} ${code} ${message}`);
  }
}

const pair = (turns = new Turns()) => {
  const near = new Side();
  const far = new Side();
  const carrier = new InProcess({ turns, loop: new Loop() }, (stream, fields) => {
    far.heard.push(`opened ${fields.join(' ')}`);
    far.stream = stream;
    return far;
  });
  near.stream = carrier.open([':path', '/a.B/C'], null, false, near);
  return { near, far, carrier };
};

/** All that is due before timers and sockets have their turn, and that turn. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
};

const octets = (bytes: number): Buffer => Buffer.alloc(bytes, 7);

describe('a stream in memory', () => {
  it('delivers fields, octets and ends in order, and never from inside a call', async () => {
    const { near, far } = pair();
    near.stream.write(octets(3), 1, 3);
    near.stream.end();
    expect(far.heard).toEqual([]);
    await settled();
    expect(far.heard).toEqual(['opened :path /a.B/C', '2 octets', 'end']);
    far.stream.headers([':status', '200'], null, false);
    far.stream.write(octets(4), 0, 4);
    far.stream.trailers(['grpc-status', '0']);
    expect(near.heard).toEqual([]);
    await settled();
    expect(near.heard).toEqual([':status 200', '4 octets', 'grpc-status 0 last']);
  });

  it('keeps a copy: whoever wrote may use its memory again', async () => {
    const { near, far } = pair();
    let first = 0;
    far.data = (chunk, start) => {
      first = chunk[start]!;
    };
    const memory = octets(4);
    near.stream.write(memory, 0, 4);
    memory.fill(1);
    await settled();
    expect(first).toBe(7);
  });

  it('sends a window, and the rest as it is credited, with the trailers behind it', async () => {
    const { near, far } = pair();
    await settled();
    near.holds = true;
    far.stream.headers([':status', '200'], null, false);
    far.stream.write(octets(200_000), 0, 200_000);
    far.stream.trailers(['grpc-status', '0']);
    await settled();
    expect(near.bytes).toBe(windowBytes);
    expect(far.sentBytes).toBe(windowBytes);
    near.holds = false;
    near.stream.credit(windowBytes);
    await settled();
    expect(near.bytes).toBe(200_000);
    expect(far.sentBytes).toBe(200_000);
    expect(near.heard.at(-1)).toBe('grpc-status 0 last');
  });

  it('ends both sides by a reset, which one hears of', async () => {
    const { near, far } = pair();
    await settled();
    near.stream.reset(ErrorCode.CANCEL);
    near.stream.write(octets(3), 0, 3);
    far.stream.write(octets(3), 0, 3);
    await settled();
    expect(near.heard).toEqual([]);
    expect(far.heard.slice(1)).toEqual(['aborted by peer 8 the other side reset the call (CANCEL)']);
  });

  it('needs no more of a request once it is answered', async () => {
    const { near, far } = pair();
    await settled();
    far.stream.headers([':status', '200', 'grpc-status', '5'], null, true);
    near.stream.write(octets(3), 0, 3);
    await settled();
    expect(near.heard).toEqual([':status 200 grpc-status 5 last']);
    expect(far.heard).toEqual(['opened :path /a.B/C']);
  });

  it('breaks with its carrier, for both sides', async () => {
    const { near, far, carrier } = pair();
    await settled();
    carrier.break('the app let go');
    await settled();
    expect(near.heard).toEqual(['aborted by connection 8 the app let go']);
    expect(far.heard.slice(1)).toEqual(['aborted by connection 8 the app let go']);
  });

  it.each([
    ['lets timers have their turn though two sides never wait', undefined, true],
    ['would keep them from it without a limit (control)', Number.POSITIVE_INFINITY, false],
  ])('%s', async (_, most, expected) => {
    const { near, far } = pair(new Turns(most));
    let over = false;
    setTimeout(() => {
      over = true;
    }, 1);
    const soon = performance.now() + 100;
    const rallied = new Promise<void>((resolve) => {
      const back = (side: Side) => (): void => {
        if (over || performance.now() > soon) return resolve();
        side.stream.write(octets(1), 0, 1);
        side.stream.credit(1);
      };
      near.data = back(near);
      far.data = back(far);
    });
    near.stream.write(octets(1), 0, 1);
    await rallied;
    expect(over).toBe(expected);
  });
});
