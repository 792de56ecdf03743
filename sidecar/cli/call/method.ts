import type { MethodDefinition, PackageDefinition } from '@grpc/proto-loader';
import { nearNames } from '../../core/near-names.ts';
import { UsageError } from '../exit.ts';

/** A method as it is asked for: `package.Service` and `Method`. */
export interface MethodName {
  readonly service: string;
  readonly method: string;
}

/** Any method of a loaded package. */
export type Method = MethodDefinition<object, object>;

/** Reads `package.Service/Method`, `/package.Service/Method` or `package.Service.Method`. */
export const readMethodName = (text: string): MethodName => {
  const match = /^\/?([A-Za-z_][\w.]*)[/.]([A-Za-z_]\w*)$/.exec(text);
  if (match === null)
    throw new UsageError(
      `METHOD must be package.Service/Method, such as demo.v1.Inventory/Reserve, not '${text}'`,
    );
  return { service: match[1]!, method: match[2]! };
};

/** Finds the method in its types; throws with the nearest name, or with all that there are. */
export const findMethod = (types: PackageDefinition, { service, method }: MethodName): Method => {
  const found = types[service];
  if (found === undefined || 'format' in found) {
    const services = Object.keys(types).filter((name) => !('format' in types[name]!));
    throw new UsageError(`no service '${service}' in these types; there is ${services.join(', ') || 'none'}`);
  }
  const definition = (found as Record<string, Method>)[method];
  if (definition !== undefined) return definition;
  const methods = Object.keys(found);
  const near = nearNames(method, methods, 1)[0];
  const advice = near === undefined ? `it has ${methods.join(', ')}` : `did you mean '${near}'?`;
  throw new UsageError(`${service} has no method '${method}' (${advice})`);
};

/** Reads one request; a field that its message does not have is an error, because it would be dropped unseen. */
export const readRequest = (text: string, definition: Method): object => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`-d is not valid JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError(`-d must be a JSON object, such as '{"sku": "oar"}', not ${text}`);
  const { name, field } = definition.requestType.type as {
    name: string;
    field: { name: string; jsonName?: string }[];
  };
  const known = field.map((one) => camelCase(one.name));
  for (const key of Object.keys(value))
    if (!known.includes(camelCase(key))) {
      const near = nearNames(key, known, 1)[0];
      const advice = near === undefined ? `it has ${known.join(', ') || 'none'}` : `did you mean '${near}'?`;
      throw new UsageError(`${name} has no field '${key}' (${advice})`);
    }
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [camelCase(key), one]));
};

const camelCase = (name: string): string =>
  name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
