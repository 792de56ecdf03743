/**
 * The wire format of protobuf, as far as a few fields of small messages need it: the library that knows all of it costs
 * a sidecar 20 MB of resident memory.
 * Ref: protobuf "Encoding".
 */

/** Takes a field as it stands in the message: a number for a varint, octets for all that has a length. */
export type TakeField = (field: number, value: number | Uint8Array) => void;

/** Hands over each field in order, those of fixed size left out. Throws on octets that are no message. */
export const readMessage = (message: Uint8Array, take: TakeField): void => {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    // Ten octets, for negative numbers have as many; what is lost above 53 bits nobody here asks for.
    for (let shift = 0; shift < 70; shift += 7) {
      const octet = message[at++];
      if (octet === undefined) throw new Error('it is cut off');
      value += (octet & 0x7f) * 2 ** shift;
      if (octet < 0x80) return value;
    }
    throw new Error('it has a number of more than ten octets');
  };
  while (at < message.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    switch (tag & 7) {
      case 0:
        take(field, varint());
        break;
      case 1:
        at += 8;
        break;
      case 2: {
        const end = varint() + at;
        if (end > message.length) throw new Error('it is cut off');
        const start = at;
        at = end;
        take(field, message.subarray(start, end));
        break;
      }
      case 5:
        at += 4;
        break;
      default:
        throw new Error(`it has a field of the wire type ${tag & 7}`);
    }
  }
  if (at > message.length) throw new Error('it is cut off');
};

/** What stands before the `length` octets of a field. */
export const fieldHead = (field: number, length: number): Uint8Array => {
  const head: number[] = [];
  for (const number of [field * 8 + 2, length]) {
    let left = number;
    for (; left > 0x7f; left = Math.floor(left / 128)) head.push((left % 128) | 0x80);
    head.push(left);
  }
  return Uint8Array.from(head);
};

/** A field of octets or text, as it stands in a message. */
export const writeField = (field: number, value: Uint8Array | string): Buffer => {
  const octets = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([fieldHead(field, octets.length), octets]);
};

/** The text of a field. Throws when it is a number, or no UTF-8. */
export const textOf = (value: number | Uint8Array): string => utf8.decode(octetsOf(value));

/** The octets of a field. Throws when it is a number. */
export const octetsOf = (value: number | Uint8Array): Uint8Array => {
  if (typeof value === 'number') throw new Error('it has a number in the place of a text');
  return value;
};

const utf8 = new TextDecoder('utf-8', { fatal: true });
