import { Code, codeNames } from '../sidecar/core/status.ts';
import type { Metadata, ServiceError } from './grpc.ts';

/**
 * Who decided that a call fails: the app at the far end (or a rule of the mesh after it had begun), a sidecar that
 * says the app never saw the call, or this SDK.
 */
export type DecidedBy = 'peer' | 'mesh' | 'sdk';

/** What is known of a failure beside its code and message. */
export interface MeshErrorFacts {
  readonly correlationId?: string;
  /** Name of the service called. */
  readonly service?: string;
  /** `/package.Service/Method` */
  readonly method?: string;
  readonly from?: DecidedBy;
  readonly trailers?: Metadata;
  readonly cause?: unknown;
}

/**
 * MeshError is how a call fails: for the caller, who catches it, and for whoever serves, who throws it.
 *
 * @example
 * throw new MeshError(Code.NOT_FOUND, `no sku '${sku}'`);
 */
export class MeshError extends Error {
  override readonly name: string = 'MeshError';
  /** gRPC status code; its name is in `codeName`. */
  readonly code: number;
  readonly correlationId: string;
  readonly service: string;
  readonly method: string;
  readonly from: DecidedBy;
  readonly trailers: Metadata | null;

  constructor(code: Code | number, message: string, facts: MeshErrorFacts = {}) {
    super(message, facts.cause === undefined ? {} : { cause: facts.cause });
    this.code = code;
    this.correlationId = facts.correlationId ?? '';
    this.service = facts.service ?? '';
    this.method = facts.method ?? '';
    this.from = facts.from ?? 'sdk';
    this.trailers = facts.trailers ?? null;
  }

  /** Name of the code, such as `UNAVAILABLE`. */
  get codeName(): string {
    return codeNames[this.code] ?? `code ${this.code}`;
  }

  /** False when the app at the far end certainly never saw the call, so that trying again does nothing twice. */
  get reached(): boolean {
    return this.from === 'peer';
  }
}

/** How grpc-js words what it decided itself, without the sidecar. */
const withoutSidecar = /^(No connection established|Name resolution failed|Channel has been shut down)/;

/** The failure that grpc-js reports, in our words. `sidecar` is the address that was dialled. */
export const fromServiceError = (
  error: ServiceError,
  sidecar: string,
  facts: Pick<MeshErrorFacts, 'service' | 'method' | 'correlationId'>,
): MeshError => {
  const trailers = error.metadata;
  if (error.code === Code.UNAVAILABLE && withoutSidecar.test(error.details))
    return new MeshError(
      error.code,
      `the sidecar at ${sidecar} does not answer (${error.details}): is it running, and is OUTRIGGER_APP its app listener?`,
      { ...facts, from: 'sdk', trailers, cause: error },
    );
  const neverReached = trailers.get('x-outrigger-reached')[0] === 'false';
  return new MeshError(error.code, error.details, {
    ...facts,
    from: neverReached ? 'mesh' : 'peer',
    trailers,
    cause: error,
  });
};
