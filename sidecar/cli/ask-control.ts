import { loadGrpc, loadOwn } from '../control/grpc.ts';
import { readSocketPath } from '../settings/address.ts';

/** What one method of outrigger.v1.Control is asked. */
export interface Asked {
  /** The control socket of the sidecar: a path, or `unix:PATH`. */
  readonly control: string;
  readonly method: string;
  readonly request: object;
  readonly timeoutMs: number;
}

/** The answer that was none: its gRPC code, and what the sidecar said. */
export class ControlError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const unavailable = 14;

/** Asks a sidecar by its control socket. Rejects with a ControlError, which says where nobody answers. */
export const askControl = async ({ control, method, request, timeoutMs }: Asked): Promise<object> => {
  const libraries = await loadGrpc();
  const { grpc } = libraries;
  const path = readSocketPath(control)?.path ?? control;
  const service = loadOwn(libraries, 'outrigger/v1/control.proto')['outrigger.v1.Control'];
  const definition = (service as unknown as Record<string, Method>)[method]!;
  const client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure(), {
    'grpc.enable_http_proxy': 0,
  });
  try {
    return await new Promise<object>((resolve, reject) => {
      client.makeUnaryRequest(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize,
        request,
        { deadline: Date.now() + timeoutMs },
        (error, response) => {
          if (error === null) resolve(response!);
          else if (error.code !== unavailable) reject(new ControlError(error.code, error.details));
          else
            reject(
              new ControlError(
                error.code,
                `no sidecar answers at ${path}: give the path that listen.control of its settings names`,
              ),
            );
        },
      );
    });
  } finally {
    client.close();
  }
};

interface Method {
  readonly path: string;
  readonly requestSerialize: (message: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}
