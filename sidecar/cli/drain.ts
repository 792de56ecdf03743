import { loadGrpc, loadOwn } from '../control/grpc.ts';
import { readSocketPath } from '../settings/address.ts';
import { Exit } from './exit.ts';

/** Options of `outrigger drain`, as commander hands them over. */
export interface DrainOptions {
  /** The control socket of the sidecar: a path, or `unix:PATH`. */
  readonly control: string;
  readonly timeoutMs: number;
}

/**
 * `outrigger drain`: asks a sidecar to leave the mesh and waits until calls in flight have ended. The sidecar stays for
 * the app's own calls until a signal ends it; for hosts that tell a sidecar of the end before they tell its app.
 */
export const drain = async ({ control, timeoutMs }: DrainOptions): Promise<number> => {
  const libraries = await loadGrpc();
  const { grpc } = libraries;
  const path = readSocketPath(control)?.path ?? control;
  const service = loadOwn(libraries, 'outrigger/v1/control.proto')['outrigger.v1.Control'];
  const method = (service as unknown as Record<string, Method>)['Drain']!;
  const client = new grpc.Client(`unix:${path}`, grpc.credentials.createInsecure(), {
    'grpc.enable_http_proxy': 0,
  });
  try {
    await new Promise<void>((resolve, reject) => {
      client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        {},
        { deadline: Date.now() + timeoutMs },
        (error) => (error === null ? resolve() : reject(new Error(reasonOf(error, path)))),
      );
    });
    return Exit.ok;
  } finally {
    client.close();
  }
};

interface Method {
  readonly path: string;
  readonly requestSerialize: (message: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => object;
}

const reasonOf = (error: { code: number; details: string }, path: string): string => {
  const unavailable = 14;
  const late = 4;
  if (error.code === unavailable)
    return `no sidecar answers at ${path}: give the path that listen.control of its settings names`;
  return error.code === late
    ? 'calls were still in flight when the time was over: the sidecar drains on; --timeout waits longer'
    : `the sidecar did not drain: ${error.details}`;
};
