import { join } from 'node:path';
import { type MessageCodec, messageCodecs, protoFolder } from './grpc/load.ts';
import { Metadata } from './metadata.ts';

/**
 * One rich detail of an error, with `type` as its full name.
 *
 * @example
 * const empty: ErrorDetail = { type: 'google.rpc.BadRequest', fieldViolations: [{ field: 'sku', description: 'is empty' }] };
 * const error = new MeshError(Code.INVALID_ARGUMENT, 'no sku', { details: [empty] });
 * for (const { type, ...fields } of error.details) console.log(type, fields);
 */
export interface ErrorDetail {
  /** Such as `google.rpc.BadRequest`. */
  readonly type: string;
  /** The message's fields; of types that are not known here `value` has the octets. */
  readonly [field: string]: unknown;
}

/** Ref: gRPC "Richer error model". */
const trailer = 'grpc-status-details-bin';
const typePrefix = 'type.googleapis.com/';
/** No more are read: they are the peer's to choose. */
const mostDetails = 64;

interface RpcStatus {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly typeUrl: string; readonly value: Buffer }[];
}

const codecs: Map<string, MessageCodec> = new Map();

/** Codecs are read by the first error that has details. */
const codecOf = (type: string): MessageCodec | null => {
  if (codecs.size === 0)
    for (const [name, codec] of messageCodecs(join(protoFolder(), 'google/rpc/error_details.proto'), [
      protoFolder(),
    ]))
      codecs.set(name, codec);
  return codecs.get(type) ?? null;
};

/** The details that trailers carry; none when there are none, or when they cannot be read. */
export const detailsIn = (trailers: Metadata): readonly ErrorDetail[] => {
  const octets = trailers.get(trailer);
  if (!Buffer.isBuffer(octets)) return [];
  try {
    const { details } = codecOf('google.rpc.Status')!.deserialize(octets) as RpcStatus;
    return details.slice(0, mostDetails).map(({ typeUrl, value }) => {
      const type = typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
      const codec = codecOf(type);
      return codec === null ? { type, value } : { type, ...(codec.deserialize(value) as object) };
    });
  } catch {
    return [];
  }
};

/** `trailers`, and the details in them. Throws a TypeError for a type that is not known and has no `value`. */
export const withDetails = (
  trailers: Metadata,
  code: number,
  message: string,
  details: readonly ErrorDetail[],
): Metadata => {
  if (details.length === 0) return trailers;
  const packed = details.map(({ type, ...fields }) => ({
    typeUrl: typePrefix + type,
    value: packedOf(type, fields),
  }));
  const status: RpcStatus = { code, message, details: packed };
  return new Metadata(trailers).set(trailer, codecOf('google.rpc.Status')!.serialize(status));
};

const packedOf = (type: string, fields: Readonly<Record<string, unknown>>): Buffer => {
  const codec = codecOf(type);
  if (codec !== null) return codec.serialize(fields);
  if (fields['value'] instanceof Uint8Array) return Buffer.from(fields['value']);
  throw new TypeError(`the error detail '${type}' is not known here: give its octets as 'value'`);
};
