/**
 * The two fields of a google.protobuf.FileDescriptorProto that say which files belong together. Reading them here
 * spares the whole descriptor schema for following imports.
 * Ref: protobuf "Encoding"; descriptor.proto, FileDescriptorProto: name = 1, dependency = 3.
 */
export interface FileHead {
  readonly name: string;
  readonly dependencies: readonly string[];
}

/** Reads name and imports of one file; throws on bytes that are no descriptor. */
export const readFileHead = (file: Uint8Array): FileHead => {
  let name = '';
  const dependencies: string[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = file[at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    throw new Error('the server sent a file descriptor that cannot be read');
  };
  while (at < file.length) {
    const tag = varint();
    const wireType = tag & 7;
    if (wireType === 2) {
      const length = varint();
      const end = at + length;
      if (end > file.length) throw new Error('the server sent a file descriptor that is cut off');
      const field = tag >>> 3;
      if (field === 1) name = new TextDecoder().decode(file.subarray(at, end));
      if (field === 3) dependencies.push(new TextDecoder().decode(file.subarray(at, end)));
      at = end;
    } else if (wireType === 0) varint();
    else if (wireType === 5) at += 4;
    else if (wireType === 1) at += 8;
    else throw new Error('the server sent a file descriptor that cannot be read');
  }
  return { name, dependencies };
};

/** A google.protobuf.FileDescriptorSet (file = 1) of files that are already encoded. */
export const writeFileSet = (files: Iterable<Uint8Array>): Buffer => {
  const parts: Uint8Array[] = [];
  for (const file of files) {
    const head = [0x0a];
    let length = file.length;
    for (; length > 0x7f; length >>>= 7) head.push((length & 0x7f) | 0x80);
    head.push(length);
    parts.push(Uint8Array.from(head), file);
  }
  return Buffer.concat(parts);
};
