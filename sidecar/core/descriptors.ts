import { octetsOf, readMessage, textOf, writeField } from './protobuf.ts';

/*
 * What is read of protobuf's descriptions of .proto files.
 * Ref: descriptor.proto. FileDescriptorSet: file = 1. FileDescriptorProto: name = 1, package = 2, dependency = 3,
 * service = 6. ServiceDescriptorProto: name = 1, method = 2. MethodDescriptorProto: name = 1, options = 4,
 * client_streaming = 5, server_streaming = 6. MethodOptions: idempotency_level = 34.
 */

/** The two fields of a file that say which files belong together. */
export interface FileHead {
  readonly name: string;
  readonly dependencies: readonly string[];
}

/** What a file says of one method. */
export interface DescribedMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** One message each way. */
  readonly unary: boolean;
  /** `idempotency_level` is NO_SIDE_EFFECTS or IDEMPOTENT. */
  readonly idempotent: boolean;
}

/** Reads name and imports of one file; throws on bytes that are no descriptor. */
export const readFileHead = (file: Uint8Array): FileHead => {
  let name = '';
  const dependencies: string[] = [];
  readMessage(file, (field, value) => {
    if (field === 1) name = textOf(value);
    else if (field === 3) dependencies.push(textOf(value));
  });
  return { name, dependencies };
};

/** Every method of one file; throws on bytes that are no descriptor. */
export const readMethods = (file: Uint8Array): DescribedMethod[] => {
  let scope = '';
  const services: Uint8Array[] = [];
  readMessage(file, (field, value) => {
    if (field === 2) scope = `${textOf(value)}.`;
    else if (field === 6) services.push(octetsOf(value));
  });
  return services.flatMap((service) => methodsOf(service, scope));
};

const methodsOf = (service: Uint8Array, scope: string): DescribedMethod[] => {
  let name = '';
  const methods: Uint8Array[] = [];
  readMessage(service, (field, value) => {
    if (field === 1) name = textOf(value);
    else if (field === 2) methods.push(octetsOf(value));
  });
  return methods.map((method) => methodOf(method, `/${scope}${name}/`));
};

const methodOf = (method: Uint8Array, prefix: string): DescribedMethod => {
  let name = '';
  let streams = false;
  let idempotent = false;
  readMessage(method, (field, value) => {
    if (field === 1) name = textOf(value);
    else if (field === 4)
      readMessage(octetsOf(value), (option, level) => {
        if (option === idempotencyLevel) idempotent = level === noSideEffects || level === isIdempotent;
      });
    else if (field === 5 || field === 6) streams ||= value !== 0;
  });
  return { path: prefix + name, unary: !streams, idempotent };
};

const idempotencyLevel = 34;
const noSideEffects = 1;
const isIdempotent = 2;

/** The files of a FileDescriptorSet. */
export const readFileSet = (set: Uint8Array): Uint8Array[] => {
  const files: Uint8Array[] = [];
  readMessage(set, (field, value) => {
    if (field === 1) files.push(octetsOf(value));
  });
  return files;
};

/** A FileDescriptorSet of files that are already encoded. */
export const writeFileSet = (files: Iterable<Uint8Array>): Buffer =>
  Buffer.concat([...files].map((file) => writeField(1, file)));
