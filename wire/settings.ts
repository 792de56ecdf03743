import { defaultWindow, ErrorCode, largestWindow, Setting } from './frames.ts';
import type { Limits } from './limits.ts';

/** What the peer's SETTINGS say, with RFC 9113's defaults. */
export interface PeerSettings {
  headerTableSize: number;
  /** The smallest that the newest SETTINGS frame named on the way to it. Ref: RFC 7541 section 4.2. */
  smallestTableSize: number;
  concurrentStreams: number;
  initialWindow: number;
  frameSize: number;
  /** Octets of a header list that the peer takes; advice only. */
  headerListBytes: number;
  /** The peer is an outrigger that takes part in keepalive. */
  keepalive: boolean;
}

/** Before any SETTINGS. Ref: RFC 9113 section 6.5.2. */
export const initialPeerSettings = (): PeerSettings => ({
  headerTableSize: 4096,
  smallestTableSize: 4096,
  concurrentStreams: Number.POSITIVE_INFINITY,
  initialWindow: defaultWindow,
  frameSize: 16_384,
  headerListBytes: Number.POSITIVE_INFINITY,
  keepalive: false,
});

/** The payload of our SETTINGS: id and value, six octets each. Defaults are not said. */
export const encodeSettings = (role: 'client' | 'server', limits: Limits, keepalive: boolean): Buffer => {
  const parameters: [number, number][] = [[Setting.MAX_HEADER_LIST_SIZE, limits.headerListBytes]];
  if (role === 'server') parameters.push([Setting.MAX_CONCURRENT_STREAMS, limits.concurrentStreams]);
  else parameters.push([Setting.ENABLE_PUSH, 0]);
  if (limits.streamWindow !== defaultWindow)
    parameters.push([Setting.INITIAL_WINDOW_SIZE, limits.streamWindow]);
  if (keepalive) parameters.push([Setting.OUTRIGGER_KEEPALIVE, 1]);
  const payload = Buffer.alloc(6 * parameters.length);
  parameters.forEach(([id, value], index) => {
    payload.writeUInt16BE(id, 6 * index);
    payload.writeUInt32BE(Math.min(value, 0xffff_ffff), 6 * index + 2);
  });
  return payload;
};

/** Reads a SETTINGS payload into `into`. Answers NO_ERROR or the code that ends the connection. Ref: section 6.5.2. */
export const applySettings = (
  into: PeerSettings,
  buffer: Buffer,
  start: number,
  end: number,
  role: 'client' | 'server',
): number => {
  into.smallestTableSize = Number.POSITIVE_INFINITY;
  for (let at = start; at < end; at += 6) {
    const value = buffer.readUInt32BE(at + 2);
    switch (buffer.readUInt16BE(at)) {
      case Setting.HEADER_TABLE_SIZE:
        into.headerTableSize = value;
        into.smallestTableSize = Math.min(into.smallestTableSize, value);
        break;
      case Setting.ENABLE_PUSH:
        // A server must not say 1; whoever says anything but 0 and 1 is wrong.
        if (value > 1 || (value === 1 && role === 'client')) return ErrorCode.PROTOCOL_ERROR;
        break;
      case Setting.MAX_CONCURRENT_STREAMS:
        into.concurrentStreams = value;
        break;
      case Setting.INITIAL_WINDOW_SIZE:
        if (value > largestWindow) return ErrorCode.FLOW_CONTROL_ERROR;
        into.initialWindow = value;
        break;
      case Setting.MAX_FRAME_SIZE:
        if (value < 16_384 || value > 0xff_ffff) return ErrorCode.PROTOCOL_ERROR;
        into.frameSize = value;
        break;
      case Setting.MAX_HEADER_LIST_SIZE:
        into.headerListBytes = value;
        break;
      case Setting.OUTRIGGER_KEEPALIVE:
        into.keepalive = value === 1;
        break;
    }
  }
  return ErrorCode.NO_ERROR;
};
