import type { CallLimits } from '../../sidecar/index.ts';
import type { StreamListener } from '../../wire/index.ts';
import { Metadata } from '../metadata.ts';

/** Fields as streams carry them: name, value, name, value. */
export type Fields = Parameters<StreamListener['headers']>[0];

/** Names that frame a call, and are not the app's business: as grpc-js keeps them from apps too. */
const framing: ReadonlySet<string> = new Set([
  ':status',
  ':method',
  ':scheme',
  ':path',
  ':authority',
  'te',
  'content-type',
  'grpc-timeout',
  'grpc-status',
  'grpc-message',
]);

/** Writes `metadata` behind `fields`. Octets go as text, as they do over a socket. */
export const writeMetadata = (fields: string[], metadata: Metadata): string[] => {
  for (const [name, value] of metadata)
    fields.push(name, typeof value === 'string' ? value : value.toString('base64'));
  return fields;
};

/** The metadata in fields. */
export const readMetadata = (fields: readonly string[]): Metadata => {
  const metadata = new Metadata();
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    if (framing.has(name)) continue;
    const value = fields[i + 1]!;
    if (name.endsWith('-bin')) metadata.append(name, Buffer.from(value, 'base64'));
    // Node's HTTP/2 joins values of one name: who moves out finds the same.
    else metadata.set(name, metadata.has(name) ? `${metadata.text(name)}, ${value}` : value);
  }
  return metadata;
};

/** The first value of a name; empty when there is none. */
export const fieldIn = (fields: readonly string[], name: string): string => {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1]!;
  return '';
};

/** By what a list of fields is above the limits, counted as sockets do (RFC 9113 section 6.5.2); empty when it is not. */
export const excessOf = (
  fields: readonly string[],
  { headerListBytes, headerFields }: Pick<CallLimits, 'headerListBytes' | 'headerFields'>,
): string => {
  if (fields.length > 2 * headerFields)
    return `has ${fields.length / 2} fields, and may have ${headerFields} (limits.header-fields)`;
  let bytes = 16 * fields.length;
  for (const text of fields) bytes += text.length;
  return bytes > headerListBytes
    ? `has ${bytes} octets, and may have ${headerListBytes} (limits.header-list)`
    : '';
};
