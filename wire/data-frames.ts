import type { Connection } from './connection.ts';
import { fail, flood, onClosed, streamError } from './faults.ts';
import { defaultWindow, ErrorCode, Flag, FrameType } from './frames.ts';

/** DataFrames takes DATA: keeps both receive windows, follows the messages, and hands the octets on. */
export class DataFrames {
  readonly #connection: Connection;
  #receiveWindow: number;
  #unacked = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#receiveWindow = Math.max(connection.limits.connectionWindow, defaultWindow);
  }

  /** DATA. */
  data(flags: number, id: number, buffer: Buffer, start: number, end: number): boolean {
    const connection = this.#connection;
    const size = end - start;
    if (id === 0) return fail(connection, ErrorCode.PROTOCOL_ERROR, 'DATA on stream 0');
    let padding = 0;
    if (flags & Flag.PADDED) {
      padding = 1 + (buffer[start] ?? 0);
      if (size < padding) return fail(connection, ErrorCode.PROTOCOL_ERROR, 'padding longer than its frame');
      start++;
      end -= padding - 1;
    }
    // The connection's credit returns on receipt, whoever the octets are for: one slow reader must not stop the others.
    this.#receiveWindow -= size;
    if (this.#receiveWindow < 0)
      return fail(connection, ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the connection window');
    this.#unacked += size;
    if (this.#unacked * 2 >= connection.limits.connectionWindow) {
      connection.output.words(FrameType.WINDOW_UPDATE, 0, 0, this.#unacked);
      this.#receiveWindow += this.#unacked;
      this.#unacked = 0;
    }
    const stream = connection.streams.get(id);
    if (stream === undefined) return onClosed(connection, id, 'DATA');
    if (stream.remoteEnded) return streamError(stream, ErrorCode.STREAM_CLOSED, 'DATA behind END_STREAM');
    if (connection.role === 'client' && !stream.headersReceived)
      return streamError(stream, ErrorCode.PROTOCOL_ERROR, 'DATA before the response began');
    const last = (flags & Flag.END_STREAM) !== 0;
    if (start === end && !last && !connection.floods.emptyData())
      return flood(connection, 'empty-data', 'empty DATA');
    stream.receiveWindow -= size;
    if (stream.receiveWindow < 0)
      return streamError(stream, ErrorCode.FLOW_CONTROL_ERROR, 'more DATA than the stream window');
    if (padding > 0) stream.credit(padding);
    stream.received += end - start;
    if (
      stream.declared >= 0 &&
      (last ? stream.received !== stream.declared : stream.received > stream.declared)
    )
      return streamError(stream, ErrorCode.PROTOCOL_ERROR, 'DATA does not add up to content-length');
    if (stream.follower !== null && end > start) {
      const limit = connection.limits.messageBytes;
      const tooLarge = stream.follower.follow(buffer, start, end, limit, connection.readAt);
      if (tooLarge > 0)
        return streamError(
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

  /** Resets streams whose message has been incomplete for too long. */
  expireMessages(now: number): void {
    const { messageMs } = this.#connection.limits;
    for (const stream of this.#connection.streams.list()) {
      if (stream.localEnded && stream.queued > 0 && now - stream.movedAt >= messageMs) {
        // All has been said, and nobody takes it: no deadline watches any more.
        streamError(stream, ErrorCode.CANCEL, 'the end was not read in time', 'message-timeout');
        continue;
      }
      const begunAt = stream.follower?.begunAt ?? 0;
      // With its window shut the peer cannot go on: that is our reader's doing.
      if (begunAt !== 0 && now - begunAt >= messageMs && stream.receiveWindow > 0)
        streamError(stream, ErrorCode.CANCEL, 'a message was not completed in time', 'message-timeout');
    }
  }
}
