import protobuf from 'protobufjs';
import { UsageError } from '../exit.ts';

/** Types of TypeScript for what proto-loader makes of each scalar. Ref: the SDK's `loadProto`: 64-bit numbers as numbers. */
const scalars: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'boolean',
  bytes: 'Buffer',
  ...Object.fromEntries(
    'double float int32 uint32 sint32 fixed32 sfixed32 int64 uint64 sint64 fixed64 sfixed64'
      .split(' ')
      .map((name) => [name, 'number']),
  ),
};

/** Whether a message is read, all fields there, or written, where each may be left out. */
type Way = 'read' | 'written';

/**
 * The interfaces of a .proto file: each message as it is read and (`Init`) as it may be written, each enum as its names, each
 * service as its callers see it and (`Server`) as whoever serves it does. What imports declare stands beside.
 */
export const writeTypes = (file: string, root: protobuf.Root): string => {
  const names = new Names(root);
  const parts: string[] = [];
  visit(root, (each) => {
    if (each instanceof protobuf.Enum) parts.push(enumText(each, names));
    else if (each instanceof protobuf.Type) parts.push(messageText(each, names));
    else if (each instanceof protobuf.Service) parts.push(serviceText(each, names));
  });
  return `// Written by 'outrigger types ${file.split('/').at(-1)}'; write it again rather than change it.\n\n${parts.join('\n')}`;
};

const visit = (space: protobuf.NamespaceBase, see: (each: protobuf.ReflectionObject) => void): void => {
  for (const each of space.nestedArray) {
    see(each);
    if (each instanceof protobuf.Namespace) visit(each, see);
  }
};

/** A name in TypeScript for each type: its own, with its scopes before it where two would be the same. */
class Names {
  readonly #names: Map<protobuf.ReflectionObject, string> = new Map();

  constructor(root: protobuf.Root) {
    const taken = new Map<string, number>();
    const all: protobuf.ReflectionObject[] = [];
    visit(root, (each) => {
      if (
        !(each instanceof protobuf.Enum || each instanceof protobuf.Type || each instanceof protobuf.Service)
      )
        return;
      all.push(each);
      taken.set(nested(each), (taken.get(nested(each)) ?? 0) + 1);
    });
    for (const each of all) this.#names.set(each, taken.get(nested(each)) === 1 ? nested(each) : full(each));
    this.#check();
  }

  /** Two interfaces of one name would silently be one. */
  #check(): void {
    const seen = new Map<string, string>();
    for (const [each, name] of this.#names) {
      const derived =
        each instanceof protobuf.Type ? 'Init' : each instanceof protobuf.Service ? 'Server' : null;
      for (const written of derived === null ? [name] : [name, name + derived]) {
        const other = seen.get(written);
        if (other !== undefined && other !== each.fullName)
          throw new UsageError(
            `${other.slice(1)} and ${each.fullName.slice(1)} would both be the type ${written}: rename one of them`,
          );
        seen.set(written, each.fullName);
      }
    }
  }

  of(each: protobuf.ReflectionObject): string {
    return this.#names.get(each)!;
  }
}

/** `Order.Line` is `OrderLine`. */
const nested = (each: protobuf.ReflectionObject): string =>
  each.parent instanceof protobuf.Type ? nested(each.parent) + each.name : each.name;

/** `shop.v1.Order` is `ShopV1Order`. */
const full = (each: protobuf.ReflectionObject): string =>
  each.fullName
    .split('.')
    .filter((part) => part !== '')
    .map(capital)
    .join('');

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const commentText = (comment: string | null, indent: string): string => {
  if (comment === null || comment.trim() === '') return '';
  const lines = comment.replaceAll('*/', '* /').split('\n');
  return lines.length === 1
    ? `${indent}/** ${lines[0]} */\n`
    : `${indent}/**\n${lines.map((line) => `${indent} * ${line}`.trimEnd()).join('\n')}\n${indent} */\n`;
};

const enumText = (each: protobuf.Enum, names: Names): string =>
  `${commentText(each.comment, '')}export type ${names.of(each)} =\n${Object.keys(each.values)
    .map((name) => `  | '${name}'`)
    .join('\n')};\n`;

const messageText = (message: protobuf.Type, names: Names): string => {
  const name = names.of(message);
  const body = (way: Way): string => {
    const fields = message.fieldsArray.map((field) => fieldText(field, names, way));
    // Which member of a oneof is there; what `optional` makes is none.
    const oneofs =
      way === 'written'
        ? []
        : message.oneofsArray
            .filter((oneof) => !isOptional(oneof))
            .map(
              (oneof) =>
                `  ${oneof.name}?: ${oneof.fieldsArray.map((field) => `'${field.name}'`).join(' | ')};\n`,
            );
    return [...fields, ...oneofs].join('');
  };
  return (
    `${commentText(message.comment, '')}export interface ${name} {\n${body('read')}}\n\n` +
    `/** ${name} as it may be written. */\nexport interface ${name}Init {\n${body('written')}}\n`
  );
};

const isOptional = (oneof: protobuf.OneOf): boolean =>
  oneof.fieldsArray.length === 1 && oneof.name === `_${oneof.fieldsArray[0]!.name}`;

const fieldText = (field: protobuf.Field, names: Names, way: Way): string => {
  const one = typeText(field, names, way);
  const type =
    field instanceof protobuf.MapField
      ? `{ [key: string]: ${one} }`
      : field.repeated
        ? `${one.includes('|') ? `(${one})` : one}[]`
        : one;
  const isMessage = field.resolvedType instanceof protobuf.Type && !field.repeated && !field.map;
  const isAbsent = way === 'written' || field.partOf !== null;
  const orNull = isMessage && (way === 'written' || field.partOf === null) ? ' | null' : '';
  return `${commentText(field.comment, '  ')}  ${field.name}${isAbsent ? '?' : ''}: ${type}${orNull}${way === 'written' ? ' | undefined' : ''};\n`;
};

const typeText = (field: protobuf.Field, names: Names, way: Way): string => {
  const { resolvedType } = field;
  if (resolvedType instanceof protobuf.Enum)
    return way === 'read' ? names.of(resolvedType) : `${names.of(resolvedType)} | number`;
  if (resolvedType instanceof protobuf.Type) return names.of(resolvedType) + (way === 'read' ? '' : 'Init');
  if (field.type === 'bytes' && way === 'written') return 'Uint8Array';
  return scalars[field.type] ?? 'unknown';
};

const serviceText = (service: protobuf.Service, names: Names): string => {
  const name = names.of(service);
  const body = (side: 'caller' | 'server'): string =>
    service.methodsArray
      .map((method) => {
        const request = names.of(method.resolvedRequestType!) + (side === 'caller' ? 'Init' : '');
        const reply = names.of(method.resolvedResponseType!) + (side === 'caller' ? '' : 'Init');
        const input =
          method.requestStream === true ? `requests: AsyncIterable<${request}>` : `request: ${request}`;
        const output = method.responseStream === true ? `AsyncIterable<${reply}>` : `Promise<${reply}>`;
        const called = method.name.charAt(0).toLowerCase() + method.name.slice(1);
        return `${commentText(method.comment, '  ')}  ${called}(${input}): ${output};\n`;
      })
      .join('');
  const path = service.fullName.slice(1);
  return (
    `${commentText(service.comment, '')}export interface ${name} {\n${body('caller')}}\n\n` +
    `/** ${name} as whoever serves it sees it: \`definition<${name}, ${name}Server>('FILE.proto', '${path}')\`. */\n` +
    `export interface ${name}Server {\n${body('server')}}\n`
  );
};
