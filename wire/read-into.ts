import { Socket } from 'node:net';

/** What an open socket has under it; `useUserBuffer` is what the documented option `onread` comes down to. */
interface Handle {
  useUserBuffer?(buffer: Buffer): void;
}

/** Where a socket keeps the option `onread`. */
const slots = (): { readonly buffer: symbol; readonly callback: symbol } | null => {
  const symbols = Object.getOwnPropertySymbols(new Socket());
  const buffer = symbols.find((symbol) => symbol.description === 'kBuffer');
  const callback = symbols.find((symbol) => symbol.description === 'kBufferCb');
  return buffer === undefined || callback === undefined ? null : { buffer, callback };
};

const onread = slots();

/**
 * Has `socket` read into `buffer`, which other sockets share: each chunk is valid until `take` returns. Node gives a
 * connecting socket this by `onread`, and an accepted one not at all, so it is set here for both. Answers whether
 * this Node still has it; where not, chunks come as 'data' does, each in memory of its own.
 */
export const readInto = (socket: Socket, buffer: Buffer, take: (chunk: Buffer) => void): boolean => {
  const handle = (socket as unknown as { _handle?: Handle | null })._handle;
  if (onread === null || typeof handle?.useUserBuffer !== 'function') {
    socket.on('data', take);
    return false;
  }
  const fields = socket as unknown as Record<symbol, unknown>;
  fields[onread.callback] = (bytes: number): boolean => {
    take(bytes === buffer.length ? buffer : buffer.subarray(0, bytes));
    return true;
  };
  fields[onread.buffer] = buffer;
  handle.useUserBuffer(buffer);
  // What came in the handshake's last packet may stand in the stream already.
  if (socket.readableLength > 0) process.nextTick(() => takeEarly(socket, take));
  return true;
};

const takeEarly = (socket: Socket, take: (chunk: Buffer) => void): void => {
  const chunk = socket.read() as Buffer | null;
  if (chunk !== null) take(chunk);
};
