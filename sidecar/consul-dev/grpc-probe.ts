import type { Client, ServiceError } from '@grpc/grpc-js';
import type { Finding, Probe } from './probes.ts';

/** Field 1 of HealthCheckResponse, `SERVING`. Ref: grpc.health.v1. */
const serving = 1;
/** Names of the status codes as Go writes them, which is what a real agent shows. */
const codes: readonly string[] = (
  'OK Canceled Unknown InvalidArgument DeadlineExceeded NotFound AlreadyExists PermissionDenied ' +
  'ResourceExhausted FailedPrecondition Aborted OutOfRange Unimplemented Internal Unavailable DataLoss ' +
  'Unauthenticated'
).split(' ');

/** Asks `grpc.health.v1.Health/Check` at `host:port[/service]`. Loads grpc-js on first use. */
export const grpcProbe: Probe = async (check, signal) => {
  const grpc = await import('@grpc/grpc-js');
  const { target, timeoutMs, tls, tlsSkipVerify } = check.definition;
  const slash = target.indexOf('/');
  const address = slash < 0 ? target : target.slice(0, slash);
  const service = slash < 0 ? '' : target.slice(slash + 1);
  const credentials = tls
    ? grpc.credentials.createSsl(null, null, null, { rejectUnauthorized: !tlsSkipVerify })
    : grpc.credentials.createInsecure();
  // A channel of its own for each probe: a pooled one would be in back-off when the app has just come up.
  const client: Client = new grpc.Client(address, credentials, { 'grpc.use_local_subchannel_pool': 1 });
  return new Promise<Finding>((resolve) => {
    const end = (finding: Finding): void => {
      signal.removeEventListener('abort', abort);
      client.close();
      resolve(finding);
    };
    const call = client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      (name: string) => encodeRequest(name),
      (bytes: Buffer) => decodeStatus(bytes),
      service,
      new grpc.Metadata(),
      { deadline: Date.now() + timeoutMs },
      (error: ServiceError | null, status?: number) => end(judge(error, status, target)),
    );
    const abort = (): void => call.cancel();
    signal.addEventListener('abort', abort);
  });
};

const judge = (error: ServiceError | null, status: number | undefined, target: string): Finding => {
  if (error !== null)
    return {
      status: 'critical',
      output: `rpc error: code = ${codes[error.code] ?? error.code} desc = ${error.details}`,
    };
  return status === serving
    ? { status: 'passing', output: `gRPC check ${target}: success` }
    : { status: 'critical', output: `gRPC ${target} serving status: ${status}` };
};

/** `HealthCheckRequest { string service = 1 }`. */
const encodeRequest = (service: string): Buffer => {
  const name = Buffer.from(service, 'utf8');
  if (name.length === 0) return Buffer.alloc(0);
  const head: number[] = [0x0a];
  let length = name.length;
  for (; length > 127; length >>>= 7) head.push((length & 127) | 128);
  return Buffer.concat([Buffer.from([...head, length]), name]);
};

/** `HealthCheckResponse { ServingStatus status = 1 }`; a default of 0 is not written. */
const decodeStatus = (bytes: Buffer): number => (bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0);
