import type { Connection } from './connection.ts';
import type { Breach } from './floods.ts';
import { ErrorCode } from './frames.ts';
import type { Stream } from './stream.ts';

/*
 * What becomes of a peer that breaks a rule. All answer whether the connection goes on.
 */

/** Ends the connection for a fault of the peer's. */
export const fail = (connection: Connection, code: number, why: string): false => {
  connection.fail(code, why);
  return false;
};

/** Ends the connection for too much of something that costs the peer next to nothing. */
export const flood = (connection: Connection, breach: Breach, what: string): false => {
  connection.fail(ErrorCode.ENHANCE_YOUR_CALM, `too many ${what}`, breach);
  return false;
};

/**
 * Ends one stream for a fault of the peer's, and tells its listener. What RFC 9113 calls a stream error is reset at once.
 */
export const streamError = (stream: Stream, code: number, why: string, breach?: Breach): boolean => {
  const { connection } = stream;
  const unanswered = !stream.headersSent;
  if (breach !== undefined) breakOff(stream, code, why, breach);
  else {
    stream.reset(code);
    stream.listener.aborted({ code, by: 'us', reached: true, message: why });
  }
  if (connection.role === 'server' && unanswered && !connection.resets.reset(stream.openedAt))
    return flood(connection, 'resets', 'streams that had to be reset');
  return connection.state !== 'closed';
};

/**
 * Ends one stream for a limit that was broken. A server's listener is told while the stream is open and nothing waits in
 * it, so that it may still say why in trailers; what it leaves open is reset.
 */
export const breakOff = (stream: Stream, code: number, why: string, breach: Breach): void => {
  const { connection } = stream;
  connection.listener.breach(breach);
  if (connection.role === 'client') stream.reset(code);
  else stream.dropQueue();
  stream.listener.aborted({ code, by: 'us', reached: true, message: why, breach });
  stream.reset(code);
};

/** Resets a request that nobody has been asked about. */
export const refuse = (stream: Stream, code: number): boolean => {
  stream.release();
  stream.reset(code);
  const { connection } = stream;
  return (
    connection.resets.reset(stream.openedAt) || flood(connection, 'resets', 'streams that had to be reset')
  );
};

/** Counts a reset that the peer sent: young and unanswered ones cost it nothing and us a call. */
export const countReset = (stream: Stream): boolean => {
  const { connection } = stream;
  if (connection.role === 'client' || stream.headersSent) return true;
  return connection.resets.reset(stream.openedAt) || flood(connection, 'resets', 'resets of young streams');
};

/** A frame for a stream that is gone: known when we reset it, else a fault. */
export const onClosed = (connection: Connection, id: number, what: string): boolean => {
  if (connection.ids.isIdle(id))
    return fail(connection, ErrorCode.PROTOCOL_ERROR, `${what} on idle stream ${id}`);
  if (id > connection.ids.lastTaken || connection.ids.wasReset(id)) return true;
  return fail(connection, ErrorCode.STREAM_CLOSED, `${what} on closed stream ${id}`);
};
