import { join } from 'node:path';
import { Cell } from '../sidecar/core/cell.ts';
import { Code } from '../sidecar/core/status.ts';
import { type Definition, definition } from './definition.ts';
import { protoFolder } from './grpc/load.ts';
import { MeshError } from './mesh-error.ts';
import type { Methods } from './methods.ts';
import type { InboundCall } from './visit.ts';

/** The interface of grpc.health.v1.Health. */
export interface Health {
  check(request: { service: string }): Promise<{ status: string }>;
  watch(request: { service: string }): AsyncIterable<{ status: string }>;
}

/** The health protocol's definition. */
export const healthDefinition = (): Definition<Health> =>
  definition<Health>(join(protoFolder(), 'grpc/health/v1/health.proto'), 'grpc.health.v1.Health');

/**
 * What an app says of itself, for the server as a whole and for each of its services alike.
 *
 * Ref: gRPC Health Checking Protocol (doc/health-checking.md).
 */
export class HealthState {
  readonly #serving: Cell<boolean> = new Cell(true);
  readonly #services: Set<string> = new Set(['']);

  /** A service that may be asked about. */
  add(service: string): void {
    this.#services.add(service);
  }

  /** What is said from now on; those who watch hear it. */
  set(serving: boolean): void {
    if (serving !== this.#serving.value) this.#serving.set(serving);
  }

  /** What answers the protocol. */
  methods(): Methods<Health> {
    const status = (): { status: string } => ({ status: this.#serving.value ? 'SERVING' : 'NOT_SERVING' });
    const services = this.#services;
    const serving = this.#serving;
    return {
      check: ({ service }: { service: string }) => {
        if (!services.has(service)) throw new MeshError(Code.NOT_FOUND, `no service '${service}' here`);
        return status();
      },
      watch: async function* ({ service }: { service: string }, call: InboundCall) {
        if (!services.has(service)) yield { status: 'SERVICE_UNKNOWN' };
        else yield status();
        while (!call.signal.aborted) {
          await nextChange(serving, call.signal);
          if (services.has(service) && !call.signal.aborted) yield status();
        }
      },
    };
  }
}

const nextChange = (cell: Cell<boolean>, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      unlisten();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const unlisten = cell.listen(done);
    signal.addEventListener('abort', done);
  });
