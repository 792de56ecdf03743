import { Accounts } from '../../sidecar/core/accounts.ts';
import type { Call } from '../../sidecar/core/call.ts';
import { Cell } from '../../sidecar/core/cell.ts';
import type { Service } from '../../sidecar/core/filter.ts';
import { Ledger } from '../../sidecar/core/ledger.ts';
import { type Reply, type ReplySink, refuse } from '../../sidecar/core/reply.ts';
import type { Stack } from '../../sidecar/core/stack.ts';
import { refusing } from '../../sidecar/stack.ts';
import { Intake } from '../../sidecar/transports/intake.ts';
import { Flag, FrameType, preface } from '../../wire/frames.ts';
import { Decoder } from '../../wire/hpack/decoder.ts';
import { Connection, defaultLimits, type Limits, Loop } from '../../wire/index.ts';
import { HeldReply, snapshot } from './calls.ts';
import { type StillKit, stillKit } from './kit.ts';
import { block, frame, settings } from './raw-http2.ts';
import { PipeSocket } from './wire-server-pipe.ts';

/** What differs from an app's port with the engine's defaults. */
export interface IntakeWords {
  readonly kit?: StillKit;
  readonly limits?: Partial<Limits>;
  readonly heldLimit?: number;
  /** The caller's receive window for each stream. */
  readonly window?: number;
  readonly service?: Service<Call>;
  readonly refusing?: Stack<Call, Call>;
}

/** Answers nothing, and stops at once when it is told to. */
export const waiting: Service<Call> = (call) =>
  new Promise((resolve) => call.life.wait({ cancelled: (status) => resolve(refuse(status)) }));

/** Answers with a head and `bytes` of body, and is held there. */
export const talking =
  (bytes: number): Service<Call> =>
  (call) =>
    Promise.resolve(new Talk(call, bytes));

class Talk extends HeldReply {
  readonly #bytes: number;

  constructor(call: Call, bytes: number) {
    super(call.life);
    this.#bytes = bytes;
  }

  override attach(sink: ReplySink): void {
    super.attach(sink);
    sink.relay(Buffer.alloc(this.#bytes), 0, this.#bytes);
  }
}

/** HEADERS of a POST to `path` in one frame; a pseudo-field may stand first among the others. */
export const ask = (stream: number, last: boolean, path: string, ...more: string[]): Buffer =>
  frame(
    FrameType.HEADERS,
    Flag.END_HEADERS | (last ? Flag.END_STREAM : 0),
    stream,
    block(':method', 'POST', ':scheme', 'http', ':path', path, ...more),
  );

/** What a caller was told: fields, octets of one DATA frame as a number, or the code of RST_STREAM. */
type Heard = Record<string, string> | number | string;

/** An intake with both ends in the test's hand. */
export interface PipedIntake {
  readonly kit: StillKit;
  readonly loop: Loop;
  readonly breaches: string[];
  /** Calls that reached the service. */
  readonly calls: Call[];
  readonly connection: Connection;
  /** One chunk from the caller. */
  send(...frames: Buffer[]): void;
  /** What the caller was told on a stream so far. */
  heard(id: number): Heard[];
}

/** An intake behind a connection without a socket: what a caller sends is heard in the turn in which it is sent. */
export const intakeOnPipe = (words: IntakeWords = {}): PipedIntake => {
  const kit = words.kit ?? stillKit();
  const now = () => kit.clock.now();
  const loop = new Loop({ now, ...(words.heldLimit !== undefined && { heldLimit: words.heldLimit }) });
  const pipe = new PipeSocket();
  const breaches: string[] = [];
  const calls: Call[] = [];
  const intake = new Intake({
    kit,
    speaker: 'outrigger web',
    isApp: false,
    upstream: '',
    snapshots: new Cell(snapshot()),
    service: (call): Promise<Reply> => {
      calls.push(call);
      return (words.service ?? waiting)(call);
    },
    refusing: words.refusing ?? refusing(kit, 'outbound'),
    ledger: new Ledger(new Accounts('orders'), 'outbound'),
    recordings: null,
  });
  const connection = new Connection(pipe.socket, {
    role: 'server',
    loop,
    limits: { ...defaultLimits, ...words.limits },
    listener: {
      ready: () => {},
      room: () => {},
      draining: () => {},
      closed: () => {},
      breach: (breach) => void breaches.push(breach),
      stream: (stream, fields, never, last) => intake.take(stream, fields, never, last, ''),
    },
  });
  pipe.emit('data', Buffer.concat([preface, settings(4, words.window ?? 65_535)]));
  const heard = (id: number): Heard[] => {
    connection.flush();
    const decoder = new Decoder(defaultLimits);
    const octets = Buffer.concat(pipe.written);
    const all: Heard[] = [];
    for (let at = 0; at < octets.length; at += 9 + octets.readUIntBE(at, 3)) {
      const payload = octets.subarray(at + 9, at + 9 + octets.readUIntBE(at, 3));
      const type = octets[at + 3]!;
      if (type === FrameType.HEADERS) decoder.decode(payload, 0, payload.length);
      if (octets.readUInt32BE(at + 5) !== id) continue;
      if (type === FrameType.HEADERS) all.push(asRecord(decoder.fields));
      if (type === FrameType.DATA) all.push(payload.length);
      if (type === FrameType.RST_STREAM) all.push(`RST_STREAM ${payload.readUInt32BE(0)}`);
    }
    return all;
  };
  const send = (...frames: Buffer[]): void => void pipe.emit('data', Buffer.concat(frames));
  return { kit, loop, breaches, calls, connection, send, heard };
};

const asRecord = (fields: readonly string[]): Record<string, string> => {
  const record: Record<string, string> = {};
  for (let i = 0; i < fields.length; i += 2) record[fields[i]!] = fields[i + 1]!;
  return record;
};
