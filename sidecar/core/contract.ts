import { createHash } from 'node:crypto';
import { type DescribedMethod, readFileSet, readMethods } from './descriptors.ts';
import { isMethodPath } from './method-path.ts';

/** What only an app's own sidecar may ask it. */
export const appLoadMethod = '/outrigger.v1.App/Load';

/** What a contract says of one method. */
export interface MethodFacts {
  /** One message each way. */
  readonly unary: boolean;
  /** It may be executed twice. */
  readonly idempotent: boolean;
}

/** What a service says of its methods, as its sidecar passes it on to those of its callers. Never changed. */
export interface Contract {
  /** The first half of the SHA-256 of the document, in hex: two contracts are the same when this is. */
  readonly hash: string;
  /** JSON, the methods in order: `{"contract":1,"methods":{"/shop.Inventory/Get":"unary idempotent"}}`. */
  readonly document: string;
  /** By path. */
  readonly methods: ReadonlyMap<string, MethodFacts>;
}

/** Where a sidecar asks another one for its contract: proto/outrigger/v1/contract.proto. */
export const contractMethod = '/outrigger.v1.Contract/Get';
/** The key in the metadata of a proxy in Consul. */
export const contractKey = 'outrigger-contract' as const;

/** Bytes of the longest descriptor set: several times what the largest public APIs have. */
export const longestDescriptors: number = 4 * 1024 * 1024;
/** Methods of the largest contract, and bytes of its document: callers read it on the loop that carries their calls. */
const mostMethods = 5000;
export const longestDocument: number = 512 * 1024;

/** Why a contract is not used: a label for metrics, and in words. */
export class ContractRefused extends Error {
  override readonly name = 'ContractRefused';
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** The contract in a FileDescriptorSet, as protoc and buf write it. Throws a ContractRefused with cause and fix. */
export const contractOfSet = (set: Uint8Array): Contract => {
  if (set.length > longestDescriptors)
    throw new ContractRefused(
      'large',
      `is ${set.length} bytes long, and 4 MiB are the most: leave out what the service does not serve`,
    );
  let methods: DescribedMethod[];
  try {
    methods = readFileSet(set).flatMap(readMethods);
  } catch (thrown) {
    throw new ContractRefused(
      'broken',
      `is no descriptor set (${(thrown as Error).message}): write it with 'protoc -o FILE', or 'buf build -o FILE'`,
    );
  }
  if (methods.length === 0)
    throw new ContractRefused('empty', 'describes no service: give the .proto file that has the services');
  return contractOf(methods);
};

/** The contract that these methods make; what is said of one twice counts for the worse. Throws a ContractRefused. */
export const contractOf = (described: Iterable<DescribedMethod>): Contract => {
  const methods = new Map<string, MethodFacts>();
  for (const { path, unary, idempotent } of described) {
    if (!isMethodPath(path))
      throw new ContractRefused('broken', `describes '${path.slice(0, 128)}', which no call can name`);
    const facts = { unary, idempotent };
    methods.set(path, worse(methods.get(path) ?? facts, facts));
  }
  const inOrder = new Map([...methods].sort(([one], [other]) => (one < other ? -1 : 1)));
  const words = [...inOrder].map(([path, facts]) => [path, wordsOf(facts)] as const);
  const document = JSON.stringify({ contract: version, methods: Object.fromEntries(words) });
  if (methods.size > mostMethods || document.length > longestDocument)
    throw new ContractRefused(
      'large',
      `describes ${methods.size} methods in ${document.length} bytes, and ${mostMethods} in 512 KiB are the most: leave out what the service does not serve`,
    );
  return { hash: hashOf(document), document, methods: inOrder };
};

/** The contract that a peer sent, which must have this hash. Throws a ContractRefused. */
export const readContract = (document: string, hash: string): Contract => {
  if (hashOf(document) !== hash)
    throw new ContractRefused('forged', `what was sent has the hash ${hashOf(document)}, not ${hash}`);
  const said = parsed(document);
  if (said.contract !== version)
    throw new ContractRefused('version', 'it is of a version that is not known here: run a newer sidecar');
  if (typeof said.methods !== 'object' || said.methods === null)
    throw new ContractRefused('broken', 'it has no methods');
  const all = Object.entries(said.methods);
  if (all.length > mostMethods)
    throw new ContractRefused('large', `it has ${all.length} methods, and ${mostMethods} are the most`);
  const methods = new Map<string, MethodFacts>();
  const byWords = new Map<string, MethodFacts>();
  for (const [path, words] of all) {
    if (!isMethodPath(path) || typeof words !== 'string')
      throw new ContractRefused('broken', `what it says of '${path.slice(0, 128)}' cannot be read`);
    let facts = byWords.get(words);
    if (facts === undefined) byWords.set(words, (facts = factsOf(words)));
    methods.set(path, facts);
  }
  return { hash, document, methods };
};

/** What holds where two contracts speak of one method: only what both say. */
export const worse = (one: MethodFacts, other: MethodFacts): MethodFacts => ({
  unary: one.unary && other.unary,
  idempotent: one.idempotent && other.idempotent,
});

/** Whether a text can be the hash of a contract. */
export const isContractHash = (text: string): boolean => /^[0-9a-f]{32}$/.test(text);

const version = 1;

const wordsOf = ({ unary, idempotent }: MethodFacts): string =>
  `${unary ? 'unary' : 'stream'}${idempotent ? ' idempotent' : ''}`;

/** Words of later versions add something: who does not know them is as careful as before. */
const factsOf = (text: string): MethodFacts => {
  const said = text.split(' ');
  return { unary: said.includes('unary'), idempotent: said.includes('idempotent') };
};

const hashOf = (document: string): string => createHash('sha256').update(document).digest('hex').slice(0, 32);

const parsed = (document: string): { contract?: unknown; methods?: unknown } => {
  try {
    const said: unknown = JSON.parse(document);
    if (typeof said === 'object' && said !== null) return said;
  } catch {
    // told below
  }
  throw new ContractRefused('broken', 'it is no JSON object');
};
