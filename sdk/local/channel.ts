import { decodeMessage } from '../../sidecar/core/grpc-message.ts';
import { encodeTimeout } from '../../sidecar/core/grpc-timeout.ts';
import { framed } from '../../sidecar/core/messages.ts';
import { Code } from '../../sidecar/core/status.ts';
import type { CallLimits } from '../../sidecar/index.ts';
import { type Abort, ErrorCode, type Opener, type StreamEnd, type StreamListener } from '../../wire/index.ts';
import type { CallHead, CallListener, Channel, End, Line } from '../channel.ts';
import { Metadata } from '../metadata.ts';
import { closedBefore, refusedLine } from '../refused-line.ts';
import { excessOf, type Fields, fieldIn, readMetadata, writeMetadata } from './fields.ts';
import { Messages } from './messages.ts';

/** The way to services of this process: `caller` is where the app's calls begin. */
export class LocalChannel implements Channel {
  readonly #caller: Opener;
  readonly #limits: CallLimits;
  readonly #hosts: (service: string) => boolean;
  /** Calls in progress keep the process alive, as sockets do. */
  readonly #alive: NodeJS.Timeout = setInterval(() => {}, longestInterval).unref();
  #running = 0;
  #isClosed = false;
  #emptied: (() => void) | null = null;

  /** `hosts`: whether a name is hosted in this process. */
  constructor(caller: Opener, limits: CallLimits, hosts: (service: string) => boolean) {
    this.#caller = caller;
    this.#limits = limits;
    this.#hosts = hosts;
  }

  open(head: CallHead, listener: CallListener): Line {
    if (this.#isClosed) return refusedLine(listener, closedBefore);
    if (!this.#hosts(head.service)) return refusedLine(listener, homeless(head.service));
    const fields = requestOf(head);
    const tooLong = excessOf(fields, this.#limits);
    if (tooLong !== '') return refusedLine(listener, `the metadata ${tooLong}`, Code.RESOURCE_EXHAUSTED);
    if (this.#running++ === 0) this.#alive.ref();
    return new LocalLine(this.#caller, fields, listener, this.#limits.messageBytes, this.#over);
  }

  close(): void {
    this.#isClosed = true;
    if (this.#running === 0) clearInterval(this.#alive);
  }

  /** Resolves when no call runs any more. */
  emptied(): Promise<void> {
    if (this.#running === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#emptied = resolve;
    });
  }

  readonly #over = (): void => {
    if (--this.#running > 0) return;
    this.#alive.unref();
    if (this.#isClosed) clearInterval(this.#alive);
    this.#emptied?.();
  };
}

/** The longest that Node takes, some 25 days. */
const longestInterval = 2 ** 31 - 1;

const homeless = (service: string): string =>
  `this process does not host '${service}' (mesh.host), and has no sidecar that could find it: start the app with ` +
  "'outrigger run', set OUTRIGGER_APP to a sidecar's app listener, or OUTRIGGER_CONFIG to a settings file";

/** One call to a service of this process. */
class LocalLine implements Line, StreamListener {
  readonly #stream: StreamEnd;
  readonly #listener: CallListener;
  readonly #messages: Messages;
  readonly #longest: number;
  readonly #over: () => void;
  #unsent = 0;
  #taken: (() => void) | null = null;
  #wanted = 0;
  /** The end that has come, while messages before it are not taken yet. */
  #end: End | null = null;
  #isOver = false;

  constructor(
    caller: Opener,
    fields: readonly string[],
    listener: CallListener,
    longest: number,
    over: () => void,
  ) {
    this.#listener = listener;
    this.#longest = longest;
    this.#over = over;
    this.#stream = caller.open(fields, null, false, this);
    this.#messages = new Messages(this.#stream, longest);
  }

  // From the app.

  send(octets: Buffer, taken: () => void): void {
    if (this.#isOver) return;
    if (octets.length > this.#longest) return this.#tooLong('request', octets.length);
    const frame = framed(octets);
    this.#unsent += frame.length;
    this.#taken = taken;
    this.#stream.write(frame, 0, frame.length);
  }

  end(): void {
    this.#stream.end();
  }

  read(): void {
    this.#wanted++;
    this.#hand();
  }

  cancel(): void {
    this.#break(ErrorCode.CANCEL, Code.CANCELLED, 'cancelled by the app');
  }

  // From the mesh.

  headers(fields: Fields, _never: string[] | null, last: boolean): void {
    if (this.#isOver) return;
    if (!last) return this.#listener.headers(readMetadata(fields));
    const code = fieldIn(fields, 'grpc-status');
    this.#end = {
      code: code === '' ? Code.UNKNOWN : Number(code),
      message: decodeMessage(fieldIn(fields, 'grpc-message')),
      trailers: readMetadata(fields),
    };
    if (!this.#stream.localEnded) this.#stream.reset(ErrorCode.NO_ERROR);
    this.#hand();
  }

  data(chunk: Buffer, _start: number, _end: number, last: boolean): void {
    if (this.#isOver) return;
    const tooLong = chunk.length === 0 ? 0 : this.#messages.push(chunk);
    if (tooLong > 0) return this.#tooLong('answer', tooLong);
    this.#hand();
    if (last)
      this.aborted({ code: 0, by: 'peer', reached: true, message: 'the answer ended without a status' });
  }

  sent(bytes: number): void {
    this.#unsent -= bytes;
    if (this.#unsent > 0) return;
    const taken = this.#taken;
    this.#taken = null;
    taken?.();
  }

  aborted({ by, message }: Abort): void {
    this.#finish({
      code: by === 'connection' ? Code.UNAVAILABLE : Code.INTERNAL,
      message,
      trailers: new Metadata({ 'x-outrigger-from': 'wire' }),
    });
  }

  /** Hands on what is asked for and there, and the end behind it. */
  #hand(): void {
    while (this.#wanted > 0 && !this.#messages.isEmpty && !this.#isOver) {
      this.#wanted--;
      this.#listener.message(this.#messages.take());
    }
    if (this.#end !== null && this.#messages.isEmpty) this.#finish(this.#end);
  }

  #tooLong(what: string, bytes: number): void {
    const message = `the ${what} has ${bytes} octets, and may have ${this.#longest} (limits.message)`;
    this.#break(ErrorCode.CANCEL, Code.RESOURCE_EXHAUSTED, message);
  }

  #break(reset: number, code: number, message: string): void {
    if (this.#isOver) return;
    this.#stream.reset(reset);
    this.#finish({ code, message, trailers: new Metadata(), decidedBy: 'sdk' });
  }

  #finish(end: End): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#over();
    this.#listener.ended(end);
  }
}

const requestOf = ({ service, path, metadata, leftMs }: CallHead): string[] => {
  const fields = [
    ...[':method', 'POST', ':scheme', 'http', ':path', path, ':authority', service],
    ...['content-type', 'application/grpc'],
  ];
  if (leftMs !== Number.POSITIVE_INFINITY) fields.push('grpc-timeout', encodeTimeout(leftMs));
  return writeMetadata(fields, metadata);
};
