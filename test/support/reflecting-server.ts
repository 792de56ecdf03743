import * as grpc from '@grpc/grpc-js';
import * as loader from '@grpc/proto-loader';
import { messageShape, protoFile } from '../../sidecar/control/grpc.ts';
import { readFileHead } from '../../sidecar/core/descriptors.ts';

/** What a reflecting server is made with. */
export interface ReflectingOptions {
  /** A .proto file whose services it serves. */
  readonly proto: string;
  /** Default 0: a free one. */
  readonly port?: number;
  readonly services: Readonly<Record<string, grpc.UntypedServiceImplementation>>;
  /** Under which name it answers questions about types; absent: not at all. */
  readonly reflection?: 'v1' | 'v1alpha';
}

/** A gRPC server of another make, with server reflection that sends one file at a time. */
export interface ReflectingServer {
  readonly address: string;
  close(): void;
}

/** Starts it on a free port of loopback. */
export const reflectingServer = async (options: ReflectingOptions): Promise<ReflectingServer> => {
  const types = loader.loadSync(options.proto, messageShape);
  const server = new grpc.Server();
  for (const [name, implementation] of Object.entries(options.services))
    server.addService(types[name] as grpc.ServiceDefinition, implementation);
  if (options.reflection !== undefined)
    addReflection(server, types, options.reflection, Object.keys(options.services));
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync(
      `127.0.0.1:${options.port ?? 0}`,
      grpc.ServerCredentials.createInsecure(),
      (error, bound) => (error === null ? resolve(bound) : reject(error)),
    ),
  );
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
};

const addReflection = (
  server: grpc.Server,
  types: loader.PackageDefinition,
  version: string,
  names: readonly string[],
): void => {
  const files = new Map<string, Buffer>();
  for (const type of Object.values(types)) {
    const protos =
      'fileDescriptorProtos' in type
        ? (type.fileDescriptorProtos as Buffer[])
        : Object.values(type as loader.ServiceDefinition).flatMap(
            (method) => method.requestType.fileDescriptorProtos,
          );
    for (const file of protos) files.set(readFileHead(file).name, file);
  }
  const reflection = loader.loadSync(protoFile('grpc/reflection/v1/reflection.proto'), messageShape)[
    'grpc.reflection.v1.ServerReflection'
  ] as grpc.ServiceDefinition;
  const method = reflection['ServerReflectionInfo']!;
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
  server.addService({ ServerReflectionInfo: { ...method, path } } as grpc.ServiceDefinition, {
    ServerReflectionInfo: (call: grpc.ServerDuplexStream<Question, object>) => {
      call.on('data', (question: Question) => call.write(respond(question, files, names)));
      call.on('end', () => call.end());
    },
  });
};

interface Question {
  readonly fileContainingSymbol?: string;
  readonly fileByFilename?: string;
  readonly listServices?: string;
}

const respond = (
  question: Question,
  files: ReadonlyMap<string, Buffer>,
  names: readonly string[],
): object => {
  if (question.listServices !== undefined)
    return { listServicesResponse: { service: names.map((name) => ({ name })) } };
  const file =
    question.fileByFilename !== undefined
      ? files.get(question.fileByFilename)
      : names.includes(question.fileContainingSymbol ?? '')
        ? // The file of a service is the one that nobody imports.
          [...files.values()].find(
            (one) =>
              ![...files.values()].some((other) =>
                readFileHead(other).dependencies.includes(readFileHead(one).name),
              ),
          )
        : undefined;
  return file === undefined
    ? { errorResponse: { errorCode: grpc.status.NOT_FOUND, errorMessage: 'not found' } }
    : { fileDescriptorResponse: { fileDescriptorProto: [file] } };
};
