import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type MethodDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type ServiceError,
  type UntypedHandleCall,
} from '@grpc/grpc-js';
import { loadSync, type Options, type PackageDefinition } from '@grpc/proto-loader';

// The SDK's only door to grpc-js and proto-loader.
export {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type MethodDefinition,
  type PackageDefinition,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type ServiceError,
  type UntypedHandleCall,
};

const largestMessage = 64 * 1024 * 1024;

/** What both ends set: as much in one message as the sidecar carries, and no registry of every socket. */
const common: ChannelOptions = {
  'grpc.max_receive_message_length': largestMessage,
  'grpc.max_send_message_length': largestMessage,
  'grpc.enable_channelz': 0,
};

/** Options of the channel to the sidecar. */
export const channelOptions: ChannelOptions = {
  ...common,
  // Retries belong to the sidecar: two layers that retry multiply.
  'grpc.enable_retries': 0,
  // An http_proxy in the environment would take the mesh's calls elsewhere.
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  // Two meshes in one process do not share connections.
  'grpc.use_local_subchannel_pool': 1,
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
