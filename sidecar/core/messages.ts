/*
 * Messages as gRPC sends them, each behind a prefix of its length.
 * Ref: gRPC over HTTP/2, "Length-Prefixed-Message".
 */

const prefixBytes = 5;

/** A message behind its prefix. */
export const framed = (message: Uint8Array): Buffer => {
  const whole = Buffer.allocUnsafe(prefixBytes + message.length);
  whole[0] = 0;
  whole.writeUInt32BE(message.length, 1);
  whole.set(message, prefixBytes);
  return whole;
};

/** The messages in what was sent, without their prefixes. Throws on what is cut off or compressed. */
export const messagesIn = (bytes: Uint8Array): Uint8Array[] => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const messages: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + prefixBytes > bytes.length) throw new Error('its last message is cut off');
    if (bytes[at] !== 0) throw new Error('it is compressed, which nobody asked for');
    const end = at + prefixBytes + view.getUint32(at + 1);
    if (end > bytes.length) throw new Error('its last message is cut off');
    messages.push(bytes.subarray(at + prefixBytes, end));
    at = end;
  }
  return messages;
};
