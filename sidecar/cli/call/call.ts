import type { Client, Metadata, StatusObject } from '@grpc/grpc-js';
import { type GrpcLibraries, loadGrpc, messageShape } from '../../control/grpc.ts';
import { encodeTimeout } from '../../core/grpc-timeout.ts';
import { linesOf, mostOf, readLedger } from '../../core/ledger-text.ts';
import { type ConsulOptions, consulOverlay } from '../consul-options.ts';
import { within } from '../ending.ts';
import { Exit, UsageError } from '../exit.ts';
import type { Surroundings } from '../started.ts';
import { findMethod, type Method, readMethodName, readRequest } from './method.ts';
import { reflect } from './reflect.ts';

/** Options of `outrigger call`, as commander hands them over. */
export interface CallOptions extends ConsulOptions {
  /** JSON of each request, in order. */
  readonly request: readonly string[];
  /** `name: value` each. */
  readonly header: readonly string[];
  /** The app port of a sidecar: `host:port` or `unix:PATH`. */
  readonly address?: string;
  /** Calls as this service, by a sidecar that lives as long as the call. */
  readonly as?: string;
  readonly proto: readonly string[];
  readonly include: readonly string[];
  /** Milliseconds; streams without it have no deadline. */
  readonly timeoutMs?: number;
}

/** Bytes of the longest answer: the default of a sidecar's own limit. */
const longestMessage = 64 * 1024 * 1024;

/** How long behind the deadline an answer is waited for, in milliseconds: who serves it may be deaf. */
const deafMs = 1000;

/** `outrigger call`: one call through a sidecar; answers as JSON lines. Answers the exit code. */
export const call = async (
  service: string,
  methodName: string,
  options: CallOptions,
  around: {
    write: (line: string) => void;
    say: (line: string) => void;
    sidecar: () => Promise<Surroundings>;
  },
): Promise<number> => {
  const asked = readMethodName(methodName);
  if (options.as !== undefined && options.address !== undefined)
    throw new UsageError('--as starts a sidecar of its own: leave --address out');
  const through = await openWay(options, around.sidecar);
  const libraries = await loadGrpc();
  const { grpc, loader } = libraries;
  const metadata = readHeaders(options.header, libraries);
  const client = new grpc.Client(targetOf(through.address), grpc.credentials.createInsecure(), {
    'grpc.default_authority': service,
    // The sidecar is on this machine: a proxy of the environment has no part in it.
    'grpc.enable_http_proxy': 0,
    'grpc.enable_retries': 0,
    'grpc.max_receive_message_length': longestMessage,
  });
  try {
    const types =
      options.proto.length > 0
        ? await loader.load([...options.proto], { ...messageShape, includeDirs: [...options.include] })
        : await reflect(client, asked.service, metadata.clone(), libraries);
    const method = findMethod(types, asked);
    const status = await exchange(client, method, options, metadata, around.write);
    if (status.code === grpc.status.OK) return Exit.ok;
    around.say(`${grpc.status[status.code] ?? 'status'} (${status.code}): ${status.details}`);
    for (const id of status.metadata.get('x-request-id')) around.say(`x-request-id: ${String(id)}`);
    for (const ledger of status.metadata.get('x-outrigger-ledger')) {
      const hops = readLedger(String(ledger)) ?? [];
      for (const line of linesOf(hops)) around.say(`spent: ${line}`);
      const most = mostOf(hops);
      if (most !== '') around.say(`most of the time went to ${most}`);
    }
    return Exit.failure;
  } finally {
    client.close();
    await through.close();
  }
};

/** Unary is a stream of one on the wire, so that one way of calling serves all four kinds. */
const exchange = (
  client: Client,
  method: Method,
  { request, timeoutMs }: CallOptions,
  metadata: Metadata,
  write: (line: string) => void,
): Promise<StatusObject> => {
  const standard = method.requestStream ? [] : ['{}'];
  const requests = (request.length > 0 ? request : standard).map((text) => readRequest(text, method));
  if (!method.requestStream && requests.length > 1)
    throw new UsageError(`${method.path} takes one request: give -d once`);
  // A deadline of the library's own would end the call here, before the sidecar can say where the time went.
  if (timeoutMs !== undefined) metadata.set('grpc-timeout', encodeTimeout(timeoutMs));
  return new Promise((resolve) => {
    const stream = client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      metadata,
    );
    let isLate = false;
    const giveUp = (): void => {
      isLate = true;
      stream.cancel();
    };
    const late = timeoutMs === undefined ? undefined : setTimeout(giveUp, timeoutMs + deafMs);
    stream.on('data', (message: object) => write(JSON.stringify(message, bytesAsText)));
    // The status says the same and comes last.
    stream.on('error', () => {});
    stream.on('status', (status) => {
      clearTimeout(late);
      resolve(isLate ? { ...status, code: 4, details: 'the deadline passed, and nobody said so' } : status);
    });
    for (const one of requests) stream.write(one);
    stream.end();
  });
};

/** Bytes as base64, as in the JSON mapping of protobuf. */
const bytesAsText = (_key: string, value: unknown): unknown => {
  const buffer = value as { type?: unknown; data?: unknown } | null;
  if (typeof buffer === 'object' && buffer?.type === 'Buffer' && Array.isArray(buffer.data))
    return Buffer.from(buffer.data as number[]).toString('base64');
  return value;
};

const readHeaders = (headers: readonly string[], { grpc }: GrpcLibraries): Metadata => {
  const metadata = new grpc.Metadata();
  for (const header of headers) {
    const match = /^([a-z0-9_.-]+):\s*(.*)$/i.exec(header);
    if (match === null) throw new UsageError(`-H must be 'name: value', not '${header}'`);
    const [name, value] = [match[1]!.toLowerCase(), match[2]!];
    metadata.add(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
  }
  return metadata;
};

const targetOf = (address: string): string => (address.startsWith('unix:') ? address : `dns:${address}`);

interface Way {
  readonly address: string;
  close(): Promise<void>;
}

const openWay = async (options: CallOptions, sidecar: () => Promise<Surroundings>): Promise<Way> => {
  const { as } = options;
  const address = options.address ?? process.env['OUTRIGGER_APP'] ?? '127.0.0.1:15001';
  if (as === undefined) return { address, close: async () => {} };
  const around = await sidecar();
  const overlay = {
    service: { name: as },
    listen: { control: 'none' },
    log: { level: 'warn' },
    ...consulOverlay(options),
  };
  const origin = { overlay, freePorts: true };
  const { settings } = await around.load(origin);
  const started = await around.start(settings, { log: around.openLog(settings), origin });
  try {
    if (!(await within(started.ready, around.patienceMs)))
      throw new Error(
        `not ready as '${as}' within ${around.patienceMs / 1000} s: ${(await started.notReady()).join('; ')}`,
      );
  } catch (never) {
    await started.close();
    throw never;
  }
  return { address: started.ports.app, close: () => started.close() };
};
