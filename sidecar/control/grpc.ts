import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Grpc from '@grpc/grpc-js';
import type * as Loader from '@grpc/proto-loader';
import { isExecutable, packed } from '../core/executable.ts';

/** The two libraries that speak gRPC as a client of the sidecar or a server beside its data path. */
export interface GrpcLibraries {
  readonly grpc: typeof Grpc;
  readonly loader: typeof Loader;
}

/** Loads them: 20 MB of resident memory that a sidecar spends only once somebody asks for it. */
export const loadGrpc = async (): Promise<GrpcLibraries> => {
  const [grpc, loader] = await Promise.all([import('@grpc/grpc-js'), import('@grpc/proto-loader')]);
  return { grpc, loader };
};

/** How messages look in JavaScript: camelCase, enums by name, 64-bit numbers as numbers, absent fields present. */
export const messageShape: Loader.Options = { longs: Number, enums: String, defaults: true, oneofs: true };

/** The definitions in one of our own .proto files, such as `outrigger/v1/control.proto`. */
export const loadOwn = ({ loader }: Pick<GrpcLibraries, 'loader'>, name: string): Loader.PackageDefinition =>
  // The single executable carries them as descriptor sets, because a .proto file can only be read from a disk.
  isExecutable()
    ? loader.loadFileDescriptorSetFromBuffer(packed(name), messageShape)
    : loader.loadSync(protoFile(name), messageShape);

/** Absolute path of one of our own .proto files, such as `outrigger/v1/control.proto`: from sources and built files. */
export const protoFile = (name: string): string => {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'proto', name))) {
    const above = dirname(folder);
    if (above === folder) throw new Error(`proto/${name} is missing: install the package again`);
    folder = above;
  }
  return join(folder, 'proto', name);
};
