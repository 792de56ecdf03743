import * as grpc from '@grpc/grpc-js';

/** An app in the middle of a call tree (grpc-js): it answers each unary call of the echo service by one of its own. */
export interface Forwarder {
  readonly port: number;
  close(): void;
}

/**
 * Starts it on a free port of loopback. `target` is asked once, with the first call: the app's sidecar, or any address.
 * It passes on baggage, as apps that take part in W3C trace context do, unless `passesBaggage` is false.
 */
export const startForwarder = async (
  target: () => string,
  { authority, passesBaggage = true }: { readonly authority: string; readonly passesBaggage?: boolean },
): Promise<Forwarder> => {
  const asIs = (octets: Buffer): Buffer => octets;
  const path = '/interop.Echo/Unary';
  let client: grpc.Client | null = null;
  const server = new grpc.Server();
  const methods = {
    Unary: {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    },
  };
  server.addService(methods, {
    Unary: (call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) => {
      client ??= new grpc.Client(target(), grpc.credentials.createInsecure(), {
        'grpc.default_authority': authority,
        'grpc.enable_retries': 0,
        'grpc.use_local_subchannel_pool': 1,
      });
      const metadata = new grpc.Metadata();
      if (passesBaggage)
        for (const value of call.metadata.get('baggage')) metadata.add('baggage', String(value));
      client.makeUnaryRequest(path, asIs, asIs, call.request, metadata, answer);
    },
  });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );
  return {
    port,
    close: () => {
      client?.close();
      server.forceShutdown();
    },
  };
};
