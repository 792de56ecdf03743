import { type Contract, ContractRefused, contractOf, longestDescriptors } from '../core/contract.ts';
import { readMethods } from '../core/descriptors.ts';
import type { EndpointView } from '../core/endpoint.ts';
import { messagesIn } from '../core/messages.ts';
import { octetsOf, readMessage, textOf, writeField } from '../core/protobuf.ts';
import { Code, codeNames } from '../core/status.ts';
import { messageOf } from '../core/thrown.ts';
import type { Ask } from './question.ts';

/** What became of asking an app for its contract. `none`: it has no reflection, or not for us. */
export type Reflected = Contract | 'none' | { readonly why: string };

/** The names that server reflection goes by; grpc-java and older servers know only the second. */
const versions: readonly string[] = ['v1', 'v1alpha'];
/** Services of one app. */
const mostServices = 1000;
/** Milliseconds for each of the two questions. */
const patienceMs = 2000;

/**
 * Asks an app for its methods by server reflection: for the names of its services, then for the files of all of them
 * at once. What these files import is not asked for, because it says nothing of methods. Always settles.
 *
 * Ref: GRPC Server Reflection Protocol (doc/server-reflection.md); proto/grpc/reflection/v1/reflection.proto.
 */
export const reflect = async (ask: Ask, endpoint: EndpointView): Promise<Reflected> => {
  for (const version of versions) {
    const talk = new Conversation(ask, endpoint, version);
    try {
      return await talk.contract();
    } catch (thrown) {
      if (thrown instanceof NotServed) continue;
      return { why: messageOf(thrown) };
    }
  }
  return 'none';
};

/** The app does not know the method, or does not let us call it. */
class NotServed extends Error {}

const refusals: readonly number[] = [
  Code.UNIMPLEMENTED,
  Code.NOT_FOUND,
  Code.PERMISSION_DENIED,
  Code.UNAUTHENTICATED,
];

/** Fields of ServerReflectionRequest. */
const fileContainingSymbol = 4;
const listServices = 7;
/** Fields of ServerReflectionResponse. */
const fileAnswer = 4;
const listAnswer = 6;

class Conversation {
  readonly #ask: Ask;
  readonly #endpoint: EndpointView;
  readonly #version: string;

  constructor(ask: Ask, endpoint: EndpointView, version: string) {
    this.#ask = ask;
    this.#endpoint = endpoint;
    this.#version = version;
  }

  async contract(): Promise<Reflected> {
    const names = new Set<string>();
    for (const answer of await this.#answers([writeField(listServices, '')]))
      readMessage(answer, (field, list) => {
        if (field === listAnswer)
          readEach(list, (service) => readEach(service, (name) => names.add(textOf(name))));
      });
    // What it says of itself is of no use to anybody's calls.
    const services = [...names].filter((name) => !name.startsWith('grpc.reflection.'));
    if (services.length === 0) return 'none';
    if (services.length > mostServices)
      throw new ContractRefused(
        'large',
        `it has ${services.length} services, and ${mostServices} are the most`,
      );
    const questions = services.map((name) => writeField(fileContainingSymbol, name));
    const files: Uint8Array[] = [];
    for (const answer of await this.#answers(questions))
      readMessage(answer, (field, found) => {
        if (field === fileAnswer) readEach(found, (file) => files.push(octetsOf(file)));
      });
    // A file may describe more than is served.
    const methods = files
      .flatMap(readMethods)
      .filter(({ path }) => names.has(path.slice(1, path.lastIndexOf('/'))));
    return methods.length === 0 ? 'none' : contractOf(methods);
  }

  async #answers(messages: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const { status, bytes } = await this.#ask(this.#endpoint, {
      what: 'server reflection',
      method: `/grpc.reflection.${this.#version}.ServerReflection/ServerReflectionInfo`,
      messages,
      mostBytes: longestDescriptors,
      longer: 'ended',
      timeoutMs: patienceMs,
    });
    if (status.code === Code.OK) return messagesIn(bytes);
    const why = `${codeNames[status.code] ?? status.code}: ${status.message}`;
    throw refusals.includes(status.code) ? new NotServed(why) : new Error(why);
  }
}

/** Each value of field 1: the lists of this protocol have nothing else. */
const readEach = (message: number | Uint8Array, take: (value: number | Uint8Array) => void): void =>
  readMessage(octetsOf(message), (field, value) => {
    if (field === 1) take(value);
  });
