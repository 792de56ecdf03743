import type { Client, ClientDuplexStream, Metadata, ServiceError } from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { type GrpcLibraries, loadOwn, messageShape } from '../../control/grpc.ts';
import { type FileHead, readFileHead, writeFileSet } from '../../core/descriptors.ts';

/** Files and bytes of descriptors that are taken from one server: far above any honest one. */
const mostFiles = 1000;
const mostBytes = 16 * 1024 * 1024;

/** Deadline of the whole conversation, in milliseconds. */
const patienceMs = 10_000;

interface Answer {
  readonly fileDescriptorResponse?: { readonly fileDescriptorProto: readonly Uint8Array[] };
  readonly listServicesResponse?: { readonly service: readonly { readonly name: string }[] };
  readonly errorResponse?: { readonly errorCode: number; readonly errorMessage: string };
}

/**
 * Asks a server for the types of one of its services, by server reflection v1 and, where that is unknown, v1alpha.
 * Rejects with what the server has instead, or with what to do when it has no reflection.
 */
export const reflect = async (
  client: Client,
  service: string,
  metadata: Metadata,
  libraries: GrpcLibraries,
): Promise<PackageDefinition> => {
  const { grpc } = libraries;
  for (const version of ['v1', 'v1alpha']) {
    const talk = new Conversation(client, version, metadata, libraries);
    try {
      return await talk.typesOf(service);
    } catch (error) {
      if ((error as Partial<ServiceError>).code !== grpc.status.UNIMPLEMENTED) throw error;
    } finally {
      talk.end();
    }
  }
  throw new Error('the server has no reflection: name its types with --proto FILE');
};

class Conversation {
  readonly #stream: ClientDuplexStream<object, Answer>;
  readonly #libraries: GrpcLibraries;
  #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | null = null;
  #ended: Error | null = null;

  constructor(client: Client, version: string, metadata: Metadata, libraries: GrpcLibraries) {
    this.#libraries = libraries;
    const definition = loadOwn(libraries, 'grpc/reflection/v1/reflection.proto');
    const service = definition['grpc.reflection.v1.ServerReflection'] as Record<string, MethodShape>;
    const { requestSerialize, responseDeserialize } = service['ServerReflectionInfo']!;
    this.#stream = client.makeBidiStreamRequest<object, Answer>(
      `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
      requestSerialize,
      (bytes) => responseDeserialize(bytes) as Answer,
      metadata,
      { deadline: Date.now() + patienceMs },
    );
    this.#stream.on('data', (answer: Answer) => this.#waiting?.resolve(answer));
    this.#stream.on('error', (error) => this.#fail(error));
    this.#stream.on('end', () => this.#fail(new Error('the server ended its reflection early')));
  }

  async typesOf(service: string): Promise<PackageDefinition> {
    const first = await this.#ask({ fileContainingSymbol: service });
    if (first.errorResponse !== undefined) throw await this.#unknown(service);
    const files = new Map<string, Uint8Array>();
    const missing = new Set<string>();
    let bytes = 0;
    const keep = (answer: Answer): void => {
      for (const file of answer.fileDescriptorResponse?.fileDescriptorProto ?? []) {
        const { name, dependencies } = headOf(file);
        missing.delete(name);
        if (files.has(name)) continue;
        files.set(name, file);
        bytes += file.length;
        if (files.size > mostFiles || bytes > mostBytes)
          throw new Error(`the server's types are more than ${mostFiles} files or 16 MiB: use --proto FILE`);
        for (const dependency of dependencies) if (!files.has(dependency)) missing.add(dependency);
      }
    };
    keep(first);
    for (const name of missing) {
      missing.delete(name);
      if (files.has(name)) continue;
      const answer = await this.#ask({ fileByFilename: name });
      if (answer.errorResponse !== undefined)
        throw new Error(`the server does not send ${name}, which its types need: use --proto FILE`);
      keep(answer);
    }
    return this.#libraries.loader.loadFileDescriptorSetFromBuffer(writeFileSet(files.values()), messageShape);
  }

  end(): void {
    this.#stream.on('error', () => {});
    this.#stream.cancel();
  }

  async #unknown(service: string): Promise<Error> {
    const { listServicesResponse } = await this.#ask({ listServices: '' });
    const names = listServicesResponse?.service.map(({ name }) => name) ?? [];
    return new Error(`the server does not know '${service}'; it has: ${names.join(', ') || 'nothing'}`);
  }

  #ask(question: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) return reject(this.#ended);
      this.#waiting = { resolve, reject };
      this.#stream.write(question);
    });
  }

  #fail(error: Error): void {
    this.#ended ??= error;
    this.#waiting?.reject(this.#ended);
  }
}

const headOf = (file: Uint8Array): FileHead => {
  try {
    return readFileHead(file);
  } catch (thrown) {
    throw new Error(
      `the server sent a file descriptor that cannot be read (${(thrown as Error).message}): use --proto FILE`,
    );
  }
};

interface MethodShape {
  readonly requestSerialize: (message: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}
