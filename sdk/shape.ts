import { createRequire } from 'node:module';

/** A message as octets, and back. */
export interface Codec {
  encode(message: unknown): Buffer;
  decode(octets: Buffer): unknown;
}

/** One method of a service. */
export interface MethodShape {
  /** As apps call it: `placeOrder`. */
  readonly name: string;
  /** `/package.Service/PlaceOrder` */
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly request: Codec;
  readonly reply: Codec;
}

/** A service as client and server need it, whoever wrote its definition. */
export interface ServiceShape {
  /** Full name, `package.Service`. */
  readonly name: string;
  readonly methods: readonly MethodShape[];
  /** The .proto files as descriptors (google.protobuf.FileDescriptorProto); none where the definition has none. */
  files(): readonly Uint8Array[];
}

/** A method as grpc-js defines it: proto-loader and ts-proto write such. */
export interface GrpcMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (message: never) => Buffer;
  readonly requestDeserialize: (octets: Buffer) => unknown;
  readonly responseSerialize: (message: never) => Buffer;
  readonly responseDeserialize: (octets: Buffer) => unknown;
}

/** Proto-loader keeps the descriptors with the types of a method. */
interface DescribedType {
  readonly fileDescriptorProtos: readonly Uint8Array[];
}

/** A method as protobuf-es describes it. */
interface EsMethod {
  readonly name: string;
  readonly localName: string;
  readonly methodKind: 'unary' | 'server_streaming' | 'client_streaming' | 'bidi_streaming';
  readonly input: unknown;
  readonly output: unknown;
}

/** A service as protobuf-es describes it. */
interface EsService {
  readonly kind: 'service';
  readonly typeName: string;
  readonly methods: readonly EsMethod[];
  readonly file: EsFile;
}

/** A .proto file as protobuf-es describes it. */
interface EsFile {
  readonly proto: unknown;
  readonly dependencies: readonly EsFile[];
}

const known = new WeakMap<object, ServiceShape>();

/** What a definition says, read once. Throws a TypeError for what is no definition. */
export const shapeOf = (definition: object): ServiceShape => {
  const found = known.get(definition);
  if (found !== undefined) return found;
  const shape = isEsService(definition) ? esShape(definition) : grpcShape(definition);
  known.set(definition, shape);
  return shape;
};

/** Name of a method as apps call it: `PlaceOrder` is `placeOrder`. */
const methodName = (name: string): string => name.charAt(0).toLowerCase() + name.slice(1);

const isEsService = (definition: object): definition is EsService =>
  'kind' in definition && definition.kind === 'service' && 'methods' in definition;

const isGrpcMethod = (entry: unknown): entry is GrpcMethod =>
  typeof entry === 'object' && entry !== null && 'path' in entry && 'requestSerialize' in entry;

const grpcShape = (definition: object): ServiceShape => {
  // The constructor that grpc.loadPackageDefinition makes of a service is as good as the service.
  const entries = Object.entries('service' in definition ? (definition.service as object) : definition);
  const methods = entries.filter((entry): entry is [string, GrpcMethod] => isGrpcMethod(entry[1]));
  if (methods.length === 0 || methods.length < entries.length)
    throw new TypeError(
      'that is no service definition: give what definition(), proto-loader, ts-proto (outputServices=grpc-js) or protoc-gen-es made of a service',
    );
  return {
    name: methods[0]![1].path.split('/')[1] ?? '',
    methods: methods.map(([name, method]) => ({
      name: methodName(name),
      path: method.path,
      requestStream: method.requestStream,
      responseStream: method.responseStream,
      request: grpcCodec(method.requestSerialize, method.requestDeserialize),
      reply: grpcCodec(method.responseSerialize, method.responseDeserialize),
    })),
    files: () => [
      ...new Set(
        methods.flatMap(([, method]) => [
          ...filesOf(method, 'requestType'),
          ...filesOf(method, 'responseType'),
        ]),
      ),
    ],
  };
};

const filesOf = (method: object, type: 'requestType' | 'responseType'): readonly Uint8Array[] =>
  (method as { readonly [of in typeof type]?: DescribedType })[type]?.fileDescriptorProtos ?? [];

const grpcCodec = (encode: (message: never) => Uint8Array, decode: (octets: Buffer) => unknown): Codec => ({
  encode: (message) => asBuffer(encode(message as never)),
  decode,
});

const esShape = ({ typeName, methods, file }: EsService): ServiceShape => {
  const { create, fromBinary, toBinary } = protobufEs();
  const codec = (schema: unknown): Codec => ({
    encode: (message) => asBuffer(toBinary(schema, create(schema, message))),
    decode: (octets) => fromBinary(schema, octets),
  });
  return {
    name: typeName,
    methods: methods.map(({ name, localName, methodKind, input, output }) => ({
      name: localName,
      path: `/${typeName}/${name}`,
      requestStream: methodKind === 'client_streaming' || methodKind === 'bidi_streaming',
      responseStream: methodKind === 'server_streaming' || methodKind === 'bidi_streaming',
      request: codec(input),
      reply: codec(output),
    })),
    files: () => {
      const { FileDescriptorProtoSchema } = load('@bufbuild/protobuf/wkt') as Record<string, unknown>;
      return [...withImports(file)].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto));
    },
  };
};

const withImports = (file: EsFile, found: Set<EsFile> = new Set()): Set<EsFile> => {
  if (!found.has(file)) {
    found.add(file);
    for (const each of file.dependencies) withImports(each, found);
  }
  return found;
};

/** What of protobuf-es is used; its own types ask for a message's type, which is not known here. */
interface ProtobufEs {
  create(schema: unknown, init: unknown): unknown;
  toBinary(schema: unknown, message: unknown): Uint8Array;
  fromBinary(schema: unknown, octets: Uint8Array): unknown;
}

/** Loaded by the first definition that needs it. */
const load = createRequire(import.meta.url);
const protobufEs = (): ProtobufEs => load('@bufbuild/protobuf') as ProtobufEs;

const asBuffer = (octets: Uint8Array): Buffer =>
  Buffer.isBuffer(octets) ? octets : Buffer.from(octets.buffer, octets.byteOffset, octets.byteLength);
