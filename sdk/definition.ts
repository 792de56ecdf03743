import { dirname } from 'node:path';
import type { ServiceDefinition as GrpcServiceDefinition } from '@grpc/grpc-js';
import { loadProto } from './grpc/load.ts';
import type { interfaceOf, Sides } from './typed.ts';

/**
 * A gRPC service: its methods, and (for the compiler alone) the interface that says what they take and give. Where callers
 * may leave out what servers always find, there are two.
 *
 * @example
 * const read: Definition<Inventory> = definition<Inventory>('inventory.proto', 'shop.v1.Inventory');
 * mesh.client(read, 'inventory');
 */
export type Definition<Caller, Server = Caller> = GrpcServiceDefinition & {
  readonly [interfaceOf]?: Sides<Caller, Server>;
};

/**
 * Where imports of a .proto file are looked for, beside its own folder.
 *
 * @example
 * const options: DefinitionOptions = { includeDirs: ['proto', 'third_party'] };
 * definition<Inventory>('inventory.proto', 'shop.v1.Inventory', options);
 */
export interface DefinitionOptions {
  readonly includeDirs?: readonly string[];
}

/**
 * Reads a service from a .proto file. `name` is its full name. Throws when the file cannot be read or has no such
 * service, and says which it has.
 *
 * The interface has a method per rpc, its name in lowerCamelCase; a stream is an AsyncIterable on its side.
 * `outrigger types inventory.proto` writes it.
 *
 * @example
 * interface Stock {
 *   reserve(request: { sku: string }): Promise<{ left: number }>;
 *   watch(request: { sku: string }): AsyncIterable<{ left: number }>;
 *   count(skus: AsyncIterable<{ sku: string }>): AsyncIterable<{ sku: string; left: number }>;
 * }
 * const stocks = mesh.client(definition<Stock>('inventory.proto', 'shop.v1.Inventory'), 'inventory');
 * console.log((await stocks.reserve({ sku: 'oar' })).left);
 */
export const definition = <Caller, Server = Caller>(
  path: string,
  name: string,
  options: DefinitionOptions = {},
): Definition<Caller, Server> => {
  const found = loadProto(path, [dirname(path), ...(options.includeDirs ?? [])]);
  const service = found[name];
  if (service !== undefined && isService(service)) return service as Definition<Caller, Server>;
  const names = Object.keys(found).filter((each) => isService(found[each]));
  throw new Error(
    `${path} has no service '${name}': ${names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`}`,
  );
};

/** A service is a record of methods; a message or an enum has a format. */
const isService = (entry: unknown): boolean =>
  typeof entry === 'object' && entry !== null && !('format' in entry);
