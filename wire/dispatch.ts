import type { Connection } from './connection.ts';
import { DataFrames } from './data-frames.ts';
import { countReset, fail, flood, streamError } from './faults.ts';
import type { FrameSink } from './frame-reader.ts';
import { ErrorCode, errorName, Flag, FrameType } from './frames.ts';
import { HeaderBlocks } from './header-blocks.ts';
import { applySettings } from './settings.ts';

/**
 * Dispatch gives each frame its meaning: checks it against RFC 9113, keeps the windows, and tells stream or
 * connection. Methods answer false when the connection is over.
 */
export class Dispatch implements FrameSink {
  readonly #connection: Connection;
  readonly #headerBlocks: HeaderBlocks;
  readonly #dataFrames: DataFrames;
  #settingsSeen = false;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#headerBlocks = new HeaderBlocks(connection);
    this.#dataFrames = new DataFrames(connection);
  }

  frame(type: number, flags: number, id: number, buffer: Buffer, start: number, end: number): boolean {
    const { pending } = this.#headerBlocks;
    if (pending !== 0 && (type !== FrameType.CONTINUATION || id !== pending))
      return fail(this.#connection, ErrorCode.PROTOCOL_ERROR, 'a header block was interrupted');
    if (!this.#settingsSeen && type !== FrameType.SETTINGS)
      return fail(this.#connection, ErrorCode.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    switch (type) {
      case FrameType.DATA:
        return this.#dataFrames.data(flags, id, buffer, start, end);
      case FrameType.HEADERS:
        return this.#headerBlocks.headers(flags, id, buffer, start, end);
      case FrameType.PRIORITY:
        return this.#priority(id, end - start);
      case FrameType.RST_STREAM:
        return this.#rstStream(id, buffer, start, end);
      case FrameType.SETTINGS:
        return this.#settings(flags, id, buffer, start, end);
      case FrameType.PUSH_PROMISE:
        return fail(this.#connection, ErrorCode.PROTOCOL_ERROR, 'PUSH_PROMISE, which nobody allowed');
      case FrameType.PING:
        return this.#ping(flags, id, buffer, start, end);
      case FrameType.GOAWAY:
        return this.#goaway(id, buffer, start, end);
      case FrameType.WINDOW_UPDATE:
        return this.#windowUpdate(id, buffer, start, end);
      case FrameType.CONTINUATION:
        return this.#headerBlocks.continuation(flags, buffer, start, end);
      default:
        // Unknown frames are ignored (RFC 9113 section 4.1), but they are not free.
        return this.#connection.floods.priority() || flood(this.#connection, 'priorities', 'unknown frames');
    }
  }

  /** Ends what has taken too long: true when the connection must go for it. */
  expire(now: number): boolean {
    this.#dataFrames.expireMessages(now);
    return this.#headerBlocks.overdue(now);
  }

  oversized(_type: number, _id: number, length: number): void {
    fail(this.#connection, ErrorCode.FRAME_SIZE_ERROR, `a frame of ${length} octets`);
  }

  #priority(id: number, size: number): boolean {
    if (id === 0) return fail(this.#connection, ErrorCode.PROTOCOL_ERROR, 'PRIORITY on stream 0');
    if (!this.#connection.floods.priority()) return flood(this.#connection, 'priorities', 'PRIORITY frames');
    if (size === 5) return true;
    const stream = this.#connection.streams.get(id);
    if (stream !== undefined)
      return streamError(stream, ErrorCode.FRAME_SIZE_ERROR, 'PRIORITY of wrong size');
    return fail(this.#connection, ErrorCode.FRAME_SIZE_ERROR, 'PRIORITY of wrong size');
  }

  #rstStream(id: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    if (id === 0) return fail(this.#connection, ErrorCode.PROTOCOL_ERROR, 'RST_STREAM on stream 0');
    if (end - start !== 4)
      return fail(this.#connection, ErrorCode.FRAME_SIZE_ERROR, 'RST_STREAM of wrong size');
    if (connection.ids.isIdle(id))
      return fail(this.#connection, ErrorCode.PROTOCOL_ERROR, `RST_STREAM on idle stream ${id}`);
    const stream = connection.streams.get(id);
    if (stream === undefined) return true;
    const code = buffer.readUInt32BE(start);
    if (!countReset(stream)) return false;
    const reached = code !== ErrorCode.REFUSED_STREAM;
    stream.abort({ code, by: 'peer', reached, message: `the peer reset the stream (${errorName(code)})` });
    return (connection.state as string) !== 'closed';
  }

  #settings(flags: number, id: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    if (id !== 0) return fail(this.#connection, ErrorCode.PROTOCOL_ERROR, 'SETTINGS on a stream');
    const size = end - start;
    if (flags & Flag.ACK)
      return size === 0 || fail(this.#connection, ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS ACK with a payload');
    if (size % 6 !== 0) return fail(this.#connection, ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS of wrong size');
    if (!connection.floods.settings()) return flood(this.#connection, 'settings', 'SETTINGS frames');
    const { peer } = connection;
    const windowBefore = peer.initialWindow;
    const code = applySettings(peer, buffer, start, end, connection.role);
    if (code !== ErrorCode.NO_ERROR)
      return fail(this.#connection, code, 'SETTINGS with a value that cannot be');
    if (peer.smallestTableSize <= peer.headerTableSize)
      connection.output.encoder.resize(peer.smallestTableSize);
    connection.output.encoder.resize(peer.headerTableSize);
    // The ACK goes first: DATA that these settings let through belongs behind it.
    connection.output.frame(FrameType.SETTINGS, Flag.ACK, 0, buffer.subarray(0, 0));
    if (peer.initialWindow !== windowBefore)
      for (const stream of connection.streams.list())
        if (!stream.open(peer.initialWindow - windowBefore))
          return fail(this.#connection, ErrorCode.FLOW_CONTROL_ERROR, 'SETTINGS overflow a window');
    this.#settingsSeen = true;
    connection.settled();
    return (connection.state as string) !== 'closed';
  }

  #ping(flags: number, id: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    if (id !== 0) return fail(this.#connection, ErrorCode.PROTOCOL_ERROR, 'PING on a stream');
    if (end - start !== 8) return fail(this.#connection, ErrorCode.FRAME_SIZE_ERROR, 'PING of wrong size');
    const high = buffer.readUInt32BE(start);
    const low = buffer.readUInt32BE(start + 4);
    if (flags & Flag.ACK) {
      connection.ponged(high, low);
      return (connection.state as string) !== 'closed';
    }
    if (!connection.floods.ping()) return flood(this.#connection, 'pings', 'PING frames');
    connection.output.words(FrameType.PING, Flag.ACK, 0, high, low);
    return true;
  }

  #goaway(id: number, buffer: Buffer, start: number, end: number): boolean {
    if (id !== 0) return fail(this.#connection, ErrorCode.PROTOCOL_ERROR, 'GOAWAY on a stream');
    if (end - start < 8) return fail(this.#connection, ErrorCode.FRAME_SIZE_ERROR, 'GOAWAY of wrong size');
    if (!this.#connection.floods.priority()) return flood(this.#connection, 'priorities', 'GOAWAY frames');
    const last = buffer.readUInt32BE(start) & 0x7fff_ffff;
    const text = buffer
      .toString('latin1', start + 8, Math.min(end, start + 136))
      .replace(/[^\x20-\x7e]/g, '?');
    this.#connection.goneAway(last, buffer.readUInt32BE(start + 4), text);
    return this.#connection.state !== 'closed';
  }

  #windowUpdate(id: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    if (end - start !== 4)
      return fail(this.#connection, ErrorCode.FRAME_SIZE_ERROR, 'WINDOW_UPDATE of wrong size');
    if (!connection.floods.windowUpdate())
      return flood(this.#connection, 'window-updates', 'WINDOW_UPDATE frames');
    const increment = buffer.readUInt32BE(start) & 0x7fff_ffff;
    if (id === 0) {
      if (increment === 0) return fail(this.#connection, ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
      connection.sending.window += increment;
      if (connection.sending.window > 0x7fff_ffff)
        return fail(this.#connection, ErrorCode.FLOW_CONTROL_ERROR, 'the connection window overflows');
      connection.refilled();
      return true;
    }
    const stream = connection.streams.get(id);
    if (stream === undefined)
      return (
        !connection.ids.isIdle(id) ||
        fail(this.#connection, ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE on an idle stream')
      );
    if (increment === 0) return streamError(stream, ErrorCode.PROTOCOL_ERROR, 'WINDOW_UPDATE of 0');
    if (!stream.open(increment))
      return streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, 'the stream window overflows');
    return true;
  }
}
