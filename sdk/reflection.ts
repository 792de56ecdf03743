import { join } from 'node:path';
import { readFileHead } from '../sidecar/core/descriptors.ts';
import { readMessage } from '../sidecar/core/protobuf.ts';
import { Code } from '../sidecar/core/status.ts';
import { definition } from './definition.ts';
import { protoFolder } from './grpc/load.ts';
import { shapeOf } from './shape.ts';

/** What a reflection client asks; one field of it is set. */
interface Question {
  readonly host: string;
  readonly messageRequest?: string;
  readonly fileByFilename?: string;
  readonly fileContainingSymbol?: string;
  readonly listServices?: string;
}

/** The definition of the protocol, under its name of today or the one that older clients use. */
export const reflectionDefinition = (version: 'v1' | 'v1alpha'): object => {
  const found = definition<object>(
    join(protoFolder(), 'grpc/reflection/v1/reflection.proto'),
    'grpc.reflection.v1.ServerReflection',
  );
  if (version === 'v1') return found;
  return Object.fromEntries(
    Object.entries(found).map(([name, method]) => [
      name,
      { ...method, path: method.path.replace('.v1.', '.v1alpha.') },
    ]),
  );
};

/**
 * What an app's services look like, for tools such as grpcurl and for the sidecar, which learns from it which methods are
 * unary and which may be executed twice. Definitions without descriptors (ts-proto) have nothing to show.
 *
 * Ref: gRPC Server Reflection Protocol (doc/server-reflection.md).
 */
export class Reflection {
  readonly #services: Set<string> = new Set();
  readonly #byName: Map<string, Uint8Array> = new Map();
  readonly #bySymbol: Map<string, Uint8Array> = new Map();

  add(added: object): void {
    const { name, files } = shapeOf(added);
    const all = files();
    if (all.length > 0) this.#services.add(name);
    for (const file of all) {
      const { name: path } = readFileHead(file);
      if (this.#byName.has(path)) continue;
      this.#byName.set(path, file);
      for (const symbol of symbolsOf(file)) this.#bySymbol.set(symbol, file);
    }
  }

  /** What answers the protocol. */
  methods(): object {
    return {
      serverReflectionInfo: async function* (this: Reflection, questions: AsyncIterable<Question>) {
        for await (const question of questions)
          yield { validHost: question.host, originalRequest: question, ...this.#answer(question) };
      }.bind(this),
    };
  }

  #answer(question: Question): object {
    switch (question.messageRequest) {
      case 'listServices':
        return { listServicesResponse: { service: [...this.#services].map((name) => ({ name })) } };
      case 'fileByFilename':
        return this.#files(this.#byName.get(question.fileByFilename ?? ''));
      case 'fileContainingSymbol':
        return this.#files(this.#bySymbol.get(question.fileContainingSymbol ?? ''));
      default:
        return errorOf(Code.UNIMPLEMENTED, 'extensions are not described here');
    }
  }

  /** A file and all that it imports, each once. */
  #files(file: Uint8Array | undefined): object {
    if (file === undefined) return errorOf(Code.NOT_FOUND, 'no such name here');
    const found = new Set<Uint8Array>();
    const add = (each: Uint8Array | undefined): void => {
      if (each === undefined || found.has(each)) return;
      found.add(each);
      for (const path of readFileHead(each).dependencies) add(this.#byName.get(path));
    };
    add(file);
    return { fileDescriptorResponse: { fileDescriptorProto: [...found] } };
  }
}

const errorOf = (errorCode: number, errorMessage: string): object => ({
  errorResponse: { errorCode, errorMessage },
});

/** Fields of FileDescriptorProto and DescriptorProto that hold what has a name. */
const inFile = { messages: 4, enums: 5, services: 6 } as const;
const inMessage = { messages: 3, enums: 4 } as const;
const inService = { methods: 2 } as const;

/** Full names of all messages, enums, services and methods of a file. */
const symbolsOf = (file: Uint8Array): string[] => {
  const symbols: string[] = [];
  const named = (entry: Uint8Array): string => {
    let name = '';
    readMessage(entry, (field, value) => {
      if (field === 1) name = String(Buffer.from(value as Uint8Array));
    });
    return name;
  };
  const add = (
    scope: string,
    entry: Uint8Array,
    within: readonly number[],
    deeper: readonly number[],
  ): void => {
    const name = scope === '' ? named(entry) : `${scope}.${named(entry)}`;
    symbols.push(name);
    readMessage(entry, (field, value) => {
      if (within.includes(field)) add(name, value as Uint8Array, deeper, deeper);
    });
  };
  const nested = Object.values(inMessage);
  let scope = '';
  readMessage(file, (field, value) => {
    if (field === 2) scope = String(Buffer.from(value as Uint8Array));
  });
  readMessage(file, (field, value) => {
    if (field === inFile.messages) add(scope, value as Uint8Array, nested, nested);
    else if (field === inFile.enums) add(scope, value as Uint8Array, [], []);
    else if (field === inFile.services) add(scope, value as Uint8Array, Object.values(inService), []);
  });
  return symbols;
};
