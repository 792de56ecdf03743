import type { Connection } from './connection.ts';
import type { Breach } from './floods.ts';
import type { FrameSink } from './frame-reader.ts';
import { ErrorCode, errorName, Flag, FrameType } from './frames.ts';
import { HeaderAssembly } from './header-assembly.ts';
import { HeaderRules } from './header-rules.ts';
import { Decoder } from './hpack/decoder.ts';
import { applySettings } from './settings.ts';
import { Stream, type StreamListener } from './stream.ts';

/** Hears nothing: for streams whose request was refused before anybody was asked. */
const deaf: StreamListener = { headers: () => {}, data: () => {}, sent: () => {}, aborted: () => {} };

/**
 * Dispatch gives each frame its meaning: checks it against RFC 9113, keeps the windows, and tells stream or
 * connection. Methods answer false when the connection is over.
 */
export class Dispatch implements FrameSink {
  readonly #connection: Connection;
  readonly #decoder: Decoder;
  readonly #rules = new HeaderRules();
  #assembly: HeaderAssembly | null = null;
  #settingsSeen = false;
  #receiveWindow: number;
  #unacked = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#decoder = new Decoder(connection.limits);
    this.#receiveWindow = Math.max(connection.limits.connectionWindow, 65_535);
  }

  frame(type: number, flags: number, id: number, buffer: Buffer, start: number, end: number): boolean {
    if (this.#assembly !== null && (type !== FrameType.CONTINUATION || id !== this.#assembly.stream))
      return this.#fail(ErrorCode.PROTOCOL_ERROR, 'a header block was interrupted');
    if (!this.#settingsSeen && type !== FrameType.SETTINGS)
      return this.#fail(ErrorCode.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    switch (type) {
      case FrameType.DATA:
        return this.#data(flags, id, buffer, start, end);
      case FrameType.HEADERS:
        return this.#headers(flags, id, buffer, start, end);
      case FrameType.PRIORITY:
        return this.#priority(id, end - start);
      case FrameType.RST_STREAM:
        return this.#rstStream(id, buffer, start, end);
      case FrameType.SETTINGS:
        return this.#settings(flags, id, buffer, start, end);
      case FrameType.PUSH_PROMISE:
        return this.#fail(ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE, which nobody allowed');
      case FrameType.PING:
        return this.#ping(flags, id, buffer, start, end);
      case FrameType.GOAWAY:
        return this.#goaway(id, buffer, start, end);
      case FrameType.WINDOW_UPDATE:
        return this.#windowUpdate(id, buffer, start, end);
      case FrameType.CONTINUATION:
        return this.#continuation(flags, buffer, start, end);
      default:
        // Unknown frames are ignored (RFC 9113 section 4.1), but they are not free.
        return this.#connection.floods.priority() || this.#flood('priorities', 'unknown frames');
    }
  }

  oversized(_type: number, _id: number, length: number): void {
    this.#fail(ErrorCode.FRAME_SIZE_ERROR, `a frame of ${length} octets`);
  }

  /** Whether a header block has waited for its end for too long. */
  headersOverdue(now: number): boolean {
    return this.#assembly !== null && now - this.#assembly.begunAt >= this.#connection.limits.headersMs;
  }

  /** Resets streams whose message has been incomplete for too long. */
  expireMessages(now: number): void {
    const { messageMs } = this.#connection.limits;
    for (const stream of this.#connection.streams.values()) {
      const begunAt = stream.follower?.begunAt ?? 0;
      // With its window shut the peer cannot go on: that is our reader's doing.
      if (begunAt !== 0 && now - begunAt >= messageMs && stream.receiveWindow > 0)
        this.#streamError(stream, ErrorCode.CANCEL, 'a message was not completed in time', 'message-timeout');
    }
  }

  #data(flags: number, id: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    const size = end - start;
    if (id === 0) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'DATA on stream 0');
    let padding = 0;
    if (flags & Flag.PADDED) {
      padding = 1 + (buffer[start] ?? 0);
      if (size < padding) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'padding longer than its frame');
      start++;
      end -= padding - 1;
    }
    // The connection's credit returns on receipt, whoever the octets are for: one slow reader must not stop the others.
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0)
      return this.#fail(ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the connection window');
    this.#unacked += size;
    if (this.#unacked * 2 >= connection.limits.connectionWindow) {
      connection.output.words(FrameType.WINDOW_UPDATE, 0, 0, this.#unacked);
      this.#receiveWindow += this.#unacked;
      this.#unacked = 0;
    }
    const stream = connection.streams.get(id);
    if (stream === undefined) return this.#onClosed(id, 'DATA');
    if (stream.remoteEnded)
      return this.#streamError(stream, ErrorCode.STREAM_CLOSED, 'DATA behind END_STREAM');
    if (connection.role === 'client' && !stream.headersReceived)
      return this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, 'DATA before the response began');
    const last = (flags & Flag.END_STREAM) !== 0;
    if (start === end && !last && !connection.floods.emptyData())
      return this.#flood('empty-data', 'empty DATA');
    stream.receiveWindow -= size;
    if (stream.receiveWindow < 0)
      return this.#streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the stream window');
    if (padding > 0) stream.credit(padding);
    stream.received += end - start;
    if (
      stream.declared >= 0 &&
      (last ? stream.received !== stream.declared : stream.received > stream.declared)
    )
      return this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, 'DATA does not add up to content-length');
    if (stream.follower !== null && end > start) {
      const limit = connection.limits.messageBytes;
      const tooLarge = stream.follower.follow(buffer, start, end, limit, connection.readAt);
      if (tooLarge > 0)
        return this.#streamError(
          stream,
          ErrorCode.ENHANCE_YOUR_CALM,
          `a message of ${tooLarge} bytes; the limit is ${limit}`,
          'message',
        );
    }
    if (last) {
      if (stream.follower !== null) stream.follower.begunAt = 0;
      stream.remoteEnded = true;
    }
    stream.listener.data(buffer, start, end, last);
    if (last && !stream.closed) stream.endRemote();
    return connection.state !== 'closed';
  }

  #headers(flags: number, id: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    if (id === 0) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'HEADERS on stream 0');
    if (flags & Flag.PADDED) {
      const padding = buffer[start] ?? 0;
      start++;
      end -= padding;
    }
    // Priority is accepted and ignored (RFC 9113 section 5.3.2).
    if (flags & Flag.PRIORITY) start += 5;
    if (start > end) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'padding longer than its frame');
    const last = (flags & Flag.END_STREAM) !== 0;
    if (flags & Flag.END_HEADERS) return this.#block(id, last, buffer, start, end);
    this.#assembly = new HeaderAssembly(id, last, connection.readAt);
    this.#assembly.add(buffer, start, end);
    return true;
  }

  #continuation(flags: number, buffer: Buffer, start: number, end: number): boolean {
    const assembly = this.#assembly;
    if (assembly === null) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'CONTINUATION without HEADERS');
    const { continuations, headerListBytes } = this.#connection.limits;
    assembly.frames++;
    if (assembly.frames > continuations) return this.#flood('continuations', 'CONTINUATION frames');
    assembly.add(buffer, start, end);
    if (assembly.bytes > 2 * headerListBytes) return this.#flood('header-block', 'octets in a header block');
    if ((flags & Flag.END_HEADERS) === 0) return true;
    this.#assembly = null;
    const block = assembly.whole();
    return this.#block(assembly.stream, assembly.last, block, 0, block.length);
  }

  /** A whole header block. It is decoded whatever becomes of it: the table must follow. */
  #block(id: number, last: boolean, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    if (!this.#decoder.decode(buffer, start, end))
      return this.#fail(ErrorCode.COMPRESSION_ERROR, 'a header block that cannot be decoded');
    const stream = connection.streams.get(id);
    if (stream !== undefined) return this.#laterBlock(stream, last);
    if (connection.role === 'server' && (id & 1) === 1 && id > connection.lastStream)
      return this.#request(id, last);
    if (connection.isIdle(id)) return this.#fail(ErrorCode.PROTOCOL_ERROR, `HEADERS on idle stream ${id}`);
    if (id > connection.lastTaken || connection.wasReset(id)) return true;
    return this.#fail(ErrorCode.STREAM_CLOSED, `HEADERS on closed stream ${id}`);
  }

  #request(id: number, last: boolean): boolean {
    const connection = this.#connection;
    const { limits } = connection;
    connection.lastStream = id;
    connection.floods.opened++;
    if (id > connection.lastTaken) return true; // behind our last GOAWAY: the peer knows to try elsewhere
    connection.resets.open();
    const stream = new Stream(connection, id, deaf, connection.readAt, true);
    connection.places++;
    connection.streams.set(id, stream);
    if (connection.places > limits.concurrentStreams) {
      connection.listener.breach('streams');
      return this.#refuse(stream, ErrorCode.REFUSED_STREAM);
    }
    if (this.#decoder.tooLarge) {
      connection.listener.breach('header-list');
      return this.#refuse(stream, ErrorCode.ENHANCE_YOUR_CALM);
    }
    if (this.#decoder.malformed || !this.#rules.request(this.#decoder.fields))
      return this.#refuse(stream, ErrorCode.PROTOCOL_ERROR);
    stream.declared = this.#rules.contentLength;
    if (last && stream.declared > 0) return this.#refuse(stream, ErrorCode.PROTOCOL_ERROR);
    stream.remoteEnded = last;
    stream.listener = connection.listener.stream(stream, this.#decoder.fields, this.#decoder.never, last);
    return (connection.state as string) !== 'closed';
  }

  /** Trailers, or a response. */
  #laterBlock(stream: Stream, last: boolean): boolean {
    const connection = this.#connection;
    const decoder = this.#decoder;
    if (stream.remoteEnded)
      return this.#streamError(stream, ErrorCode.STREAM_CLOSED, 'HEADERS behind END_STREAM');
    if (decoder.tooLarge)
      return this.#streamError(stream, ErrorCode.ENHANCE_YOUR_CALM, 'header list too large', 'header-list');
    const head = connection.role === 'client' && !stream.headersReceived;
    const fits = head ? this.#rules.response(decoder.fields) : this.#rules.trailers(decoder.fields);
    if (decoder.malformed || !fits)
      return this.#streamError(
        stream,
        ErrorCode.PROTOCOL_ERROR,
        `malformed: ${this.#rules.malformed || 'octets'}`,
      );
    if (head) {
      if (this.#rules.status < 200) {
        if (!last && !connection.floods.priority()) return this.#flood('priorities', 'interim responses');
        if (!last) return true; // an interim response (RFC 9113 section 8.1); the final one follows
        return this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, 'an interim response with END_STREAM');
      }
      stream.headersReceived = true;
      stream.declared = this.#rules.contentLength;
    } else if (!last)
      return this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, 'trailers without END_STREAM');
    if (last) {
      if (stream.declared >= 0 && stream.received !== stream.declared)
        return this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, 'DATA does not add up to content-length');
      if (stream.follower !== null) stream.follower.begunAt = 0;
      stream.remoteEnded = true;
    }
    stream.listener.headers(decoder.fields, decoder.never, last);
    if (last && !stream.closed) stream.endRemote();
    return connection.state !== 'closed';
  }

  #priority(id: number, size: number): boolean {
    if (id === 0) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'PRIORITY on stream 0');
    if (!this.#connection.floods.priority()) return this.#flood('priorities', 'PRIORITY frames');
    if (size === 5) return true;
    const stream = this.#connection.streams.get(id);
    if (stream !== undefined)
      return this.#streamError(stream, ErrorCode.FRAME_SIZE_ERROR, 'PRIORITY of wrong size');
    return this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'PRIORITY of wrong size');
  }

  #rstStream(id: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    if (id === 0) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'RST_STREAM on stream 0');
    if (end - start !== 4) return this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'RST_STREAM of wrong size');
    if (connection.isIdle(id)) return this.#fail(ErrorCode.PROTOCOL_ERROR, `RST_STREAM on idle stream ${id}`);
    const stream = connection.streams.get(id);
    if (stream === undefined) return true;
    const code = buffer.readUInt32BE(start);
    if (!this.#countReset(stream)) return false;
    const reached = code !== ErrorCode.REFUSED_STREAM;
    stream.abort({ code, by: 'peer', reached, message: `the peer reset the stream (${errorName(code)})` });
    return (connection.state as string) !== 'closed';
  }

  #settings(flags: number, id: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    if (id !== 0) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'SETTINGS on a stream');
    const size = end - start;
    if (flags & Flag.ACK)
      return size === 0 || this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS ACK with a payload');
    if (size % 6 !== 0) return this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS of wrong size');
    if (!connection.floods.settings()) return this.#flood('settings', 'SETTINGS frames');
    const { peer } = connection;
    const windowBefore = peer.initialWindow;
    const code = applySettings(peer, buffer, start, end, connection.role);
    if (code !== ErrorCode.NO_ERROR) return this.#fail(code, 'SETTINGS with a value that cannot be');
    if (peer.smallestTableSize <= peer.headerTableSize)
      connection.output.encoder.resize(peer.smallestTableSize);
    connection.output.encoder.resize(peer.headerTableSize);
    // The ACK goes first: DATA that these settings let through belongs behind it.
    connection.output.frame(FrameType.SETTINGS, Flag.ACK, 0, buffer.subarray(0, 0));
    if (peer.initialWindow !== windowBefore)
      for (const stream of [...connection.streams.values()])
        if (!stream.open(peer.initialWindow - windowBefore))
          return this.#fail(ErrorCode.FLOW_CONTROL_ERROR, 'SETTINGS overflow a window');
    this.#settingsSeen = true;
    connection.settled();
    return (connection.state as string) !== 'closed';
  }

  #ping(flags: number, id: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    if (id !== 0) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'PING on a stream');
    if (end - start !== 8) return this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'PING of wrong size');
    const high = buffer.readUInt32BE(start);
    const low = buffer.readUInt32BE(start + 4);
    if (flags & Flag.ACK) {
      connection.ponged(high, low);
      return (connection.state as string) !== 'closed';
    }
    if (!connection.floods.ping()) return this.#flood('pings', 'PING frames');
    connection.output.words(FrameType.PING, Flag.ACK, 0, high, low);
    return true;
  }

  #goaway(id: number, buffer: Buffer, start: number, end: number): boolean {
    if (id !== 0) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'GOAWAY on a stream');
    if (end - start < 8) return this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'GOAWAY of wrong size');
    if (!this.#connection.floods.priority()) return this.#flood('priorities', 'GOAWAY frames');
    const last = buffer.readUInt32BE(start) & 0x7fff_ffff;
    const text = buffer
      .toString('latin1', start + 8, Math.min(end, start + 136))
      .replace(/[^\x20-\x7e]/g, '?');
    this.#connection.goneAway(last, buffer.readUInt32BE(start + 4), text);
    return this.#connection.state !== 'closed';
  }

  #windowUpdate(id: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    if (end - start !== 4) return this.#fail(ErrorCode.FRAME_SIZE_ERROR, 'WINDOW_UPDATE of wrong size');
    if (!connection.floods.windowUpdate()) return this.#flood('window-updates', 'WINDOW_UPDATE frames');
    const increment = buffer.readUInt32BE(start) & 0x7fff_ffff;
    if (id === 0) {
      if (increment === 0) return this.#fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      connection.sendWindow += increment;
      if (connection.sendWindow > 0x7fff_ffff)
        return this.#fail(ErrorCode.FLOW_CONTROL_ERROR, 'the connection window overflows');
      connection.unblock();
      return true;
    }
    const stream = connection.streams.get(id);
    if (stream === undefined)
      return (
        !connection.isIdle(id) || this.#fail(ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE on an idle stream')
      );
    if (increment === 0) return this.#streamError(stream, ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
    if (!stream.open(increment))
      return this.#streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, 'the stream window overflows');
    return true;
  }

  /** A frame for a stream that is gone: known when we reset it, else a fault. */
  #onClosed(id: number, what: string): boolean {
    const connection = this.#connection;
    if (connection.isIdle(id)) return this.#fail(ErrorCode.PROTOCOL_ERROR, `${what} on idle stream ${id}`);
    if (id > connection.lastTaken || connection.wasReset(id)) return true;
    return this.#fail(ErrorCode.STREAM_CLOSED, `${what} on closed stream ${id}`);
  }

  /** Resets a request that nobody has been asked about. */
  #refuse(stream: Stream, code: number): boolean {
    stream.release();
    stream.reset(code);
    return (
      this.#connection.resets.reset(stream.openedAt) || this.#flood('resets', 'streams that had to be reset')
    );
  }

  #streamError(stream: Stream, code: number, why: string, breach?: Breach): boolean {
    const connection = this.#connection;
    if (breach !== undefined) connection.listener.breach(breach);
    const unanswered = !stream.headersSent;
    const abort = { code, by: 'us' as const, reached: true, message: why, ...(breach && { breach }) };
    stream.reset(code);
    stream.listener.aborted(abort);
    if (connection.role === 'server' && unanswered && !connection.resets.reset(stream.openedAt))
      return this.#flood('resets', 'streams that had to be reset');
    return connection.state !== 'closed';
  }

  #countReset(stream: Stream): boolean {
    if (this.#connection.role === 'client' || stream.headersSent) return true;
    return this.#connection.resets.reset(stream.openedAt) || this.#flood('resets', 'resets of young streams');
  }

  #flood(breach: Breach, what: string): false {
    this.#connection.fail(ErrorCode.ENHANCE_YOUR_CALM, `too many ${what}`, breach);
    return false;
  }

  #fail(code: number, why: string): false {
    this.#connection.fail(code, why);
    return false;
  }
}
