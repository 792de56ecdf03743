import { type Hop, linesOf, mostOf, readLedger } from '../sidecar/core/ledger-text.ts';
import { Code, codeNames } from '../sidecar/core/status.ts';
import type { End } from './channel.ts';
import { detailsIn, type ErrorDetail, withDetails } from './error-details.ts';
import { Metadata } from './metadata.ts';

/**
 * Who decided that a call fails: the app at the far end, the transport on the way (a connection that broke), a rule
 * of the mesh (a deadline, an intention, a gate that is shut), or this SDK.
 *
 * @example
 * const blame: Record<DecidedBy, string> = { peer: 'the app', wire: 'the network', mesh: 'a rule', sdk: 'ourselves' };
 * await inventory.reserve({ sku: 'none' }).catch((error: MeshError) => console.log(blame[error.decidedBy]));
 */
export type DecidedBy = 'peer' | 'wire' | 'mesh' | 'sdk';

/**
 * What is known of a failure beside its code and message.
 *
 * @example
 * const facts: MeshErrorFacts = {
 *   details: [{ type: 'google.rpc.BadRequest', fieldViolations: [{ field: 'sku', description: 'is empty' }] }],
 * };
 * console.log(new MeshError(Code.INVALID_ARGUMENT, 'no sku', facts).details.length);
 */
export interface MeshErrorFacts {
  readonly correlationId?: string;
  /** Name of the service called. */
  readonly service?: string;
  /** `/package.Service/Method` */
  readonly method?: string;
  readonly decidedBy?: DecidedBy;
  readonly reached?: boolean;
  readonly attempts?: number;
  readonly endpoint?: string;
  readonly trailers?: Metadata;
  /** Rich details: for whoever serves, what the caller is to be told. */
  readonly details?: readonly ErrorDetail[];
  readonly cause?: unknown;
}

/** The same in every copy of this package. */
const brand = Symbol.for('outrigger.MeshError');

/**
 * MeshError is how a call fails: for the caller, who catches it, and for whoever serves, who throws it.
 *
 * @example
 * const reserve = ({ sku }: { sku: string }) => {
 *   throw new MeshError(Code.NOT_FOUND, `no sku '${sku}'`); // the caller gets code and message as they are
 * };
 * const served = await mesh.serve(Inventory, { ...stock, reserve }, { port: 0 });
 * await inventory.reserve({ sku: 'none' }).catch((error: MeshError) => console.log(error.explain()));
 * await served.stop();
 */
export class MeshError extends Error {
  override readonly name: string = 'MeshError';
  /** gRPC status code; its name is in `codeName`. */
  readonly code: number;
  readonly correlationId: string;
  readonly service: string;
  readonly method: string;
  readonly decidedBy: DecidedBy;
  /** False when the app at the far end certainly never saw the call, so that trying again does nothing twice. */
  readonly reached: boolean;
  /** How often the sidecar tried, the first time included; 0 when the call never left it. */
  readonly attempts: number;
  /** The instance of the latest attempt, `host:port`; empty when none was met. */
  readonly endpoint: string;
  readonly trailers: Metadata;
  readonly #details: readonly ErrorDetail[] | undefined;

  constructor(code: Code | number, message: string, facts: MeshErrorFacts = {}) {
    super(message, facts.cause === undefined ? {} : { cause: facts.cause });
    Object.defineProperty(this, brand, { value: true });
    this.code = code;
    this.correlationId = facts.correlationId ?? '';
    this.service = facts.service ?? '';
    this.method = facts.method ?? '';
    this.decidedBy = facts.decidedBy ?? 'sdk';
    this.reached = facts.reached ?? this.decidedBy === 'peer';
    this.attempts = facts.attempts ?? 0;
    this.endpoint = facts.endpoint ?? '';
    this.trailers = facts.trailers ?? new Metadata();
    this.#details = facts.details;
  }

  /** One of another copy of this package is one too: a library may bring its own. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }

  /** Name of the code, such as `UNAVAILABLE`. */
  get codeName(): string {
    return codeNames[this.code] ?? `code ${this.code}`;
  }

  /** What each sidecar on the way spent of the call's time, the farthest first; empty when nobody wrote it down. */
  get ledger(): readonly Hop[] {
    return readLedger(this.trailers.text('x-outrigger-ledger')) ?? [];
  }

  /** Who had the most of the time: `the app of 'orders': 250 of 300 ms`; empty when nobody knows. */
  get spent(): string {
    return mostOf(this.ledger);
  }

  /** Rich details that whoever answered sent along, decoded. Ref: google.rpc.Status, error_details.proto. */
  get details(): readonly ErrorDetail[] {
    return this.#details ?? detailsIn(this.trailers);
  }

  /** Everything that is known, over several lines: for a log or a terminal. */
  explain(): string {
    const { codeName, message, service, method, decidedBy, attempts, endpoint, correlationId } = this;
    return [
      `${codeName}: ${message}`,
      `  ${deciders[decidedBy]}${this.reached ? '' : '; the app at the far end never saw the call'}`,
      ...(method === '' ? [] : [`  called: ${method} of '${service}'`]),
      ...(attempts === 0
        ? []
        : [`  attempts: ${attempts}${endpoint === '' ? '' : `, the latest at ${endpoint}`}`]),
      ...linesOf(this.ledger).map((line) => `  time: ${line}`),
      ...(correlationId === '' ? [] : [`  correlation id: ${correlationId}`]),
    ].join('\n');
  }

  /** As it is logged by whoever serialises errors. */
  toJSON(): Record<string, unknown> {
    const {
      name,
      codeName,
      message,
      service,
      method,
      decidedBy,
      reached,
      attempts,
      endpoint,
      correlationId,
      spent,
    } = this;
    return {
      name,
      code: codeName,
      message,
      service,
      method,
      decidedBy,
      reached,
      attempts,
      endpoint,
      correlationId,
      spent,
    };
  }
}

const deciders: Readonly<Record<DecidedBy, string>> = {
  peer: 'the app at the far end answered so',
  wire: 'a connection on the way broke or could not be made',
  mesh: 'a rule of the mesh decided so',
  sdk: 'this process decided so, before or after it asked its sidecar',
};

/** What grpc-js says of a connection, without its frame: `connect ECONNREFUSED 127.0.0.1:15001`. */
const reasonIn = (message: string): string =>
  /Last error: (?:Error: )?(.*?)\.? Resolution note:/.exec(message)?.[1] ?? message;

/** The message of a deadline that passed names who had the time, whoever wrote it. */
const withSpent = (code: number, message: string, trailers: Metadata): string => {
  if (code !== Code.DEADLINE_EXCEEDED || message.includes('most of the time went to')) return message;
  const most = mostOf(readLedger(trailers.text('x-outrigger-ledger')) ?? []);
  return most === '' ? message : `${message}; most of the time went to ${most}`;
};

/** What a failed call says of itself, in our words. `sidecar`: the address that was dialled. */
export const meshErrorOf = (
  { code, message, trailers, isUnconnected, decidedBy }: End,
  sidecar: string,
  facts: Pick<MeshErrorFacts, 'service' | 'method' | 'correlationId'>,
): MeshError => {
  if (isUnconnected === true)
    return new MeshError(
      code,
      `the sidecar at ${sidecar} does not answer (${reasonIn(message)}): is it running, and is OUTRIGGER_APP its app listener?`,
      { ...facts, trailers },
    );
  const from = trailers.text('x-outrigger-from');
  const reached = trailers.text('x-outrigger-reached') !== 'false';
  return new MeshError(code, withSpent(code, message, trailers), {
    ...facts,
    decidedBy: decidedBy ?? (from === 'wire' || from === 'mesh' ? from : reached ? 'peer' : 'mesh'),
    reached,
    attempts: Number(trailers.text('x-outrigger-attempts')) || 0,
    endpoint: trailers.text('x-outrigger-endpoint'),
    trailers,
  });
};

/** The trailers that tell a caller of an error. */
export const trailersOf = (error: MeshError, trailers: Metadata): Metadata =>
  withDetails(trailers, error.code, error.message, error.details);
