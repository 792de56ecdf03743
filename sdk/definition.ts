import { dirname } from 'node:path';
import { loadProto, type ServiceDefinition } from './grpc.ts';

/**
 * A gRPC service: its methods, and (for the compiler alone) the interface `S` that says what they take and give.
 *
 * Definitions that a generator wrote for grpc-js fit as well.
 */
export type Definition<S> = ServiceDefinition & { readonly [interfaceOf]?: S };

/** Never there: it ties a definition to its interface. */
declare const interfaceOf: unique symbol;

/** Where imports of a .proto file are looked for, beside its own folder. */
export interface DefinitionOptions {
  readonly includeDirs?: readonly string[];
}

/**
 * Reads a service from a .proto file. `name` is its full name. Throws when the file cannot be read or has no such
 * service, and says which it has.
 *
 * The interface has a method per rpc, its name in lowerCamelCase; a stream is an AsyncIterable on its side:
 *
 * @example
 * interface Inventory {
 *   reserve(request: { sku: string }): Promise<{ left: number }>;
 *   watch(request: { sku: string }): AsyncIterable<{ left: number }>;
 *   count(skus: AsyncIterable<{ sku: string }>): AsyncIterable<{ sku: string; left: number }>;
 * }
 * const Inventory = definition<Inventory>('proto/inventory.proto', 'shop.v1.Inventory');
 */
export const definition = <S>(path: string, name: string, options: DefinitionOptions = {}): Definition<S> => {
  const found = loadProto(path, [dirname(path), ...(options.includeDirs ?? [])]);
  const service = found[name];
  if (service !== undefined && isService(service)) return service as Definition<S>;
  const names = Object.keys(found).filter((each) => isService(found[each]));
  throw new Error(
    `${path} has no service '${name}': ${names.length === 0 ? 'it has none' : `it has ${names.join(', ')}`}`,
  );
};

/** A service is a record of methods; a message or an enum has a format. */
const isService = (entry: unknown): boolean =>
  typeof entry === 'object' && entry !== null && !('format' in entry);

/** Name of a method as the interface has it: `PlaceOrder` is `placeOrder`. */
export const methodName = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);
