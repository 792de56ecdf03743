import { encodeMessage } from '../../sidecar/core/grpc-message.ts';
import { parseGrpcTimeout } from '../../sidecar/core/grpc-timeout.ts';
import { framed } from '../../sidecar/core/messages.ts';
import { Code } from '../../sidecar/core/status.ts';
import type { CallLimits } from '../../sidecar/index.ts';
import { ErrorCode, type StreamEnd, type StreamListener } from '../../wire/index.ts';
import type { Answered, Incoming } from '../incoming.ts';
import { MeshError } from '../mesh-error.ts';
import type { Metadata } from '../metadata.ts';
import { excessOf, fieldIn, readMetadata, writeMetadata } from './fields.ts';
import { Messages } from './messages.ts';

/** LocalIncoming is a call that has come from this process, through the inbound stack. */
export class LocalIncoming implements Incoming, StreamListener {
  readonly path: string;
  readonly metadata: Metadata;
  readonly leftMs: number;
  readonly #stream: StreamEnd;
  readonly #messages: Messages;
  readonly #limits: CallLimits;
  #headSent = false;
  #isOver = false;
  #isGone = false;
  #isEnded = false;
  #unsent = 0;
  #wakeReader: (() => void) | null = null;
  #wakeWriter: (() => void) | null = null;
  #gone: (() => void) | null = null;

  constructor(stream: StreamEnd, path: string, fields: readonly string[], limits: CallLimits) {
    this.#stream = stream;
    this.path = path;
    this.metadata = readMetadata(fields);
    const timeout = fieldIn(fields, 'grpc-timeout');
    this.leftMs = timeout === '' ? Number.POSITIVE_INFINITY : parseGrpcTimeout(timeout);
    this.#limits = limits;
    this.#messages = new Messages(stream, limits.messageBytes);
  }

  // For whoever answers.

  async read(): Promise<Buffer | null> {
    if (this.#messages.isEmpty && !this.#isEnded && !this.#isGone)
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    if (this.#isGone) throw new MeshError(Code.CANCELLED, 'the caller cancelled while it was sending');
    return this.#messages.isEmpty ? null : this.#messages.take();
  }

  sendHeaders(metadata: Metadata): void {
    if (this.#isOver || this.#headSent) return;
    const fields = writeMetadata([...head], metadata);
    if (excessOf(fields, this.#limits) !== '') return this.#cut();
    this.#headSent = true;
    this.#stream.headers(fields, null, false);
  }

  async write(octets: Buffer): Promise<void> {
    if (this.#isOver) return;
    const { messageBytes } = this.#limits;
    if (octets.length > messageBytes)
      throw new MeshError(
        Code.RESOURCE_EXHAUSTED,
        `${this.path} answers with ${octets.length} octets, and may with ${messageBytes} (limits.message)`,
      );
    if (!this.#headSent) {
      this.#headSent = true;
      this.#stream.headers(head, null, false);
    }
    const frame = framed(octets);
    this.#unsent += frame.length;
    this.#stream.write(frame, 0, frame.length);
    if (this.#unsent > 0 && !this.#isOver)
      await new Promise<void>((resolve) => {
        this.#wakeWriter = resolve;
      });
  }

  end({ code, message, trailers }: Answered): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const fields = this.#headSent ? [] : [...head];
    fields.push('grpc-status', String(code));
    if (message !== '') fields.push('grpc-message', encodeMessage(message));
    writeMetadata(fields, trailers);
    // As over a socket, which has no other word for trailers that nobody may send.
    if (excessOf(fields, this.#limits) !== '') this.#stream.reset(ErrorCode.ENHANCE_YOUR_CALM);
    else if (this.#headSent) this.#stream.trailers(fields);
    else this.#stream.headers(fields, null, true);
  }

  watch(gone: () => void): void {
    this.#gone = gone;
  }

  // From the mesh.

  headers(): void {}

  data(chunk: Buffer, _start: number, _end: number, last: boolean): void {
    const tooLong = chunk.length === 0 ? 0 : this.#messages.push(chunk);
    if (tooLong > 0) return this.#cut();
    if (last) this.#isEnded = true;
    if (last || !this.#messages.isEmpty) this.#wake();
  }

  sent(bytes: number): void {
    this.#unsent -= bytes;
    if (this.#unsent === 0) this.#wakeWriter?.();
  }

  aborted(): void {
    this.#isGone = true;
    this.#wake();
    this.#wakeWriter?.();
    if (this.#isOver) return;
    this.#isOver = true;
    this.#gone?.();
  }

  /** Ends the call for what is too long of it. */
  #cut(): void {
    this.#stream.reset(ErrorCode.ENHANCE_YOUR_CALM);
    this.aborted();
  }

  #wake(): void {
    const wake = this.#wakeReader;
    this.#wakeReader = null;
    wake?.();
  }
}

const head: readonly string[] = [':status', '200', 'content-type', 'application/grpc'];
