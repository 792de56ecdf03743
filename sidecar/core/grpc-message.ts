/**
 * grpc-message on the wire: percent-encoded UTF-8.
 *
 * Ref: gRPC over HTTP/2, "Percent-Encoded".
 */

const longestBytes = 2048;
const plain = /^[\x20-\x24\x26-\x7e]*$/;

/** Encodes a message for the wire, cut at 2,048 octets: a peer's header list has a limit too. */
export const encodeMessage = (message: string): string => {
  if (message.length <= longestBytes && plain.test(message)) return message.trim();
  let encoded = '';
  for (const octet of Buffer.from(message.trim()).subarray(0, longestBytes))
    encoded +=
      octet >= 0x20 && octet <= 0x7e && octet !== 0x25
        ? String.fromCharCode(octet)
        : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`;
  return encoded;
};

/** Decodes a message from the wire; what is not well encoded is kept as it stands. */
export const decodeMessage = (encoded: string): string => {
  if (!encoded.includes('%')) return encoded;
  const octets: number[] = [];
  for (let i = 0; i < encoded.length; i++) {
    const hex = encoded[i] === '%' ? encoded.slice(i + 1, i + 3) : '';
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
      octets.push(Number.parseInt(hex, 16));
      i += 2;
    } else octets.push(encoded.charCodeAt(i) & 0xff);
  }
  return Buffer.from(octets).toString('utf8');
};
