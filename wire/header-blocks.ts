import type { Connection } from './connection.ts';
import { isDue } from './due.ts';
import { fail, flood, onClosed, refuse, streamError } from './faults.ts';
import { ErrorCode, Flag } from './frames.ts';
import { HeaderAssembly } from './header-assembly.ts';
import { HeaderRules } from './header-rules.ts';
import { Decoder } from './hpack/decoder.ts';
import { Stream } from './stream.ts';
import type { StreamListener } from './stream-listener.ts';

/** Hears nothing: for streams whose request was refused before anybody was asked. */
const deaf: StreamListener = { headers: () => {}, data: () => {}, sent: () => {}, aborted: () => {} };

/**
 * HeaderBlocks puts header blocks together, decodes and checks them, and makes of them what they are: a request,
 * a response, trailers. Methods answer false when the connection is over.
 */
export class HeaderBlocks {
  readonly #connection: Connection;
  readonly #decoder: Decoder;
  readonly #rules = new HeaderRules();
  #assembly: HeaderAssembly | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#decoder = new Decoder(connection.limits);
  }

  /** The stream whose block waits for CONTINUATION frames; 0: none does. Nothing may come between. */
  get pending(): number {
    return this.#assembly === null ? 0 : this.#assembly.stream;
  }

  /** Whether a header block has waited for its end for too long. */
  overdue(now: number): boolean {
    return this.#assembly !== null && isDue(now - this.#assembly.begunAt, this.#connection.limits.headersMs);
  }

  /** HEADERS. */
  headers(flags: number, id: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    if (id === 0) return fail(connection, ErrorCode.PROTOCOL_ERROR, 'HEADERS on stream 0');
    if (flags & Flag.PADDED) {
      const padding = buffer[start] ?? 0;
      start++;
      end -= padding;
    }
    // Priority is accepted and ignored (RFC 9113 section 5.3.2).
    if (flags & Flag.PRIORITY) start += 5;
    if (start > end) return fail(connection, ErrorCode.PROTOCOL_ERROR, 'padding longer than its frame');
    const last = (flags & Flag.END_STREAM) !== 0;
    if (flags & Flag.END_HEADERS) return this.#block(id, last, buffer, start, end);
    this.#assembly = new HeaderAssembly(id, last, connection.readAt);
    this.#assembly.add(buffer, start, end);
    return true;
  }

  /** CONTINUATION. */
  continuation(flags: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    const assembly = this.#assembly;
    if (assembly === null) return fail(connection, ErrorCode.PROTOCOL_ERROR, 'CONTINUATION without HEADERS');
    const { continuations, headerListBytes } = connection.limits;
    assembly.frames++;
    if (assembly.frames > continuations) return flood(connection, 'continuations', 'CONTINUATION frames');
    assembly.add(buffer, start, end);
    if (assembly.bytes > 2 * headerListBytes)
      return flood(connection, 'header-block', 'octets in a header block');
    if ((flags & Flag.END_HEADERS) === 0) return true;
    this.#assembly = null;
    const block = assembly.whole();
    return this.#block(assembly.stream, assembly.last, block, 0, block.length);
  }

  /** A whole header block. It is decoded whatever becomes of it: the table must follow. */
  #block(id: number, last: boolean, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    if (!this.#decoder.decode(buffer, start, end))
      return fail(connection, ErrorCode.COMPRESSION_ERROR, 'a header block that cannot be decoded');
    const stream = connection.streams.get(id);
    if (stream !== undefined) return this.#laterBlock(stream, last);
    if (connection.role === 'server' && (id & 1) === 1 && id > connection.ids.last)
      return this.#request(id, last);
    return onClosed(connection, id, 'HEADERS');
  }

  #request(id: number, last: boolean): boolean {
    const connection = this.#connection;
    const { limits } = connection;
    connection.ids.last = id;
    connection.floods.opened++;
    if (id > connection.ids.lastTaken) return true; // behind our last GOAWAY: the peer knows to try elsewhere
    connection.resets.open();
    const stream = new Stream(connection, id, deaf, connection.readAt, true);
    connection.places++;
    connection.streams.add(stream);
    if (connection.places > limits.concurrentStreams) {
      connection.listener.breach('streams');
      return refuse(stream, ErrorCode.REFUSED_STREAM);
    }
    if (this.#decoder.tooLarge) {
      connection.listener.breach('header-list');
      return refuse(stream, ErrorCode.ENHANCE_YOUR_CALM);
    }
    if (this.#decoder.malformed || !this.#rules.request(this.#decoder.fields))
      return refuse(stream, ErrorCode.PROTOCOL_ERROR);
    stream.declared = this.#rules.contentLength;
    if (last && stream.declared > 0) return refuse(stream, ErrorCode.PROTOCOL_ERROR);
    stream.remoteEnded = last;
    stream.listener = connection.listener.stream(stream, this.#decoder.fields, this.#decoder.never, last);
    return (connection.state as string) !== 'closed';
  }

  /** Trailers, or a response. */
  #laterBlock(stream: Stream, last: boolean): boolean {
    const connection = this.#connection;
    const decoder = this.#decoder;
    if (stream.remoteEnded) return streamError(stream, ErrorCode.STREAM_CLOSED, 'HEADERS behind END_STREAM');
    if (decoder.tooLarge)
      return streamError(stream, ErrorCode.ENHANCE_YOUR_CALM, 'header list too large', 'header-list');
    const head = connection.role === 'client' && !stream.headersReceived;
    const fits = head ? this.#rules.response(decoder.fields) : this.#rules.trailers(decoder.fields);
    if (decoder.malformed || !fits)
      return streamError(stream, ErrorCode.PROTOCOL_ERROR, `malformed: ${this.#rules.malformed || 'octets'}`);
    if (head) {
      if (this.#rules.status < 200) {
        if (!last && !connection.floods.priority())
          return flood(connection, 'priorities', 'interim responses');
        if (!last) return true; // an interim response (RFC 9113 section 8.1); the final one follows
        return streamError(stream, ErrorCode.PROTOCOL_ERROR, 'an interim response with END_STREAM');
      }
      stream.headersReceived = true;
      stream.declared = this.#rules.contentLength;
    } else if (!last) return streamError(stream, ErrorCode.PROTOCOL_ERROR, 'trailers without END_STREAM');
    if (last) {
      if (stream.declared >= 0 && stream.received !== stream.declared)
        return streamError(stream, ErrorCode.PROTOCOL_ERROR, 'DATA does not add up to content-length');
      if (stream.follower !== null) stream.follower.begunAt = 0;
      stream.remoteEnded = true;
    }
    stream.listener.headers(decoder.fields, decoder.never, last);
    if (last && !stream.closed) stream.endRemote();
    return connection.state !== 'closed';
  }
}
