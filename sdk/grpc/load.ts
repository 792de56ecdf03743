import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ChannelOptions, Metadata as GrpcMetadata } from '@grpc/grpc-js';
import {
  loadSync,
  type MessageTypeDefinition,
  type Options,
  type PackageDefinition,
} from '@grpc/proto-loader';
import { Metadata } from '../metadata.ts';

// This folder is the SDK's only door to grpc-js and proto-loader.

export type Grpc = typeof import('@grpc/grpc-js');

/** grpc-js, loaded by the first mesh: whoever only imports the SDK does not wait for it. */
export const loadGrpc = (): Promise<Grpc> => import('@grpc/grpc-js');

const largestMessage = 64 * 1024 * 1024;

/** What both ends set: as much in one message as the sidecar carries, and no registry of every socket. */
const common: ChannelOptions = {
  'grpc.max_receive_message_length': largestMessage,
  'grpc.max_send_message_length': largestMessage,
  'grpc.enable_channelz': 0,
};

/** Options of a channel to the sidecar. */
export const channelOptions: ChannelOptions = {
  ...common,
  // Retries belong to the sidecar: two layers that retry multiply.
  'grpc.enable_retries': 0,
  // An http_proxy in the environment would take the mesh's calls elsewhere.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  // The sidecar is on this machine: one that comes back is found at once.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
};

/** Options of the app's own server. */
export const serverOptions: ChannelOptions = { ...common, 'grpc.max_concurrent_streams': 1024 };

const shape: Options = { longs: Number, enums: String, defaults: true, oneofs: true };

/**
 * Loads a .proto file. Messages look as JavaScript does: camelCase, enums by name, 64-bit numbers as numbers, absent
 * fields present.
 */
export const loadProto = (path: string, includeDirs: readonly string[]): PackageDefinition =>
  loadSync(path, { ...shape, includeDirs: [...includeDirs] });

/** How one message type is written and read. */
export type MessageCodec = Pick<MessageTypeDefinition<object, object>, 'serialize' | 'deserialize'>;

/** The message types of a .proto file by full name. */
export const messageCodecs = (
  path: string,
  includeDirs: readonly string[],
): ReadonlyMap<string, MessageCodec> => {
  const codecs = new Map<string, MessageCodec>();
  for (const [name, entry] of Object.entries(loadProto(path, includeDirs)))
    if ('serialize' in entry) codecs.set(name, entry as unknown as MessageCodec);
  return codecs;
};

/** The folder of the project's own .proto files, from sources and from built files alike. */
export const protoFolder = (): string => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'proto', 'outrigger'))) {
    const above = dirname(folder);
    if (above === folder)
      throw new Error('the folder proto/ of outrigger is missing: install the package again');
    folder = above;
  }
  return join(folder, 'proto');
};

/** Metadata as grpc-js has it. */
export const toGrpc = (grpc: Grpc, metadata: Metadata): GrpcMetadata => {
  const out = new grpc.Metadata();
  for (const [name, value] of metadata) out.add(name, value);
  return out;
};

/** Metadata of grpc-js as ours. What a peer sent is kept as far as it can be sent on. */
export const fromGrpc = (metadata: GrpcMetadata): Metadata => {
  const out = new Metadata();
  for (const name of Object.keys(metadata.getMap()))
    for (const value of metadata.get(name)) out.append(name, value);
  return out;
};
