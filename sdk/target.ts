import type { ChannelCredentials, ClientOptions, Interceptor } from '@grpc/grpc-js';
import type { ClientHome } from './client.ts';
import type { LiveContext } from './context.ts';
import { channelOptions, type Grpc } from './grpc/load.ts';
import { Outbound } from './outbound.ts';
import { tellSpan } from './span.ts';

/**
 * What the constructor of a stub that was generated for grpc-js takes.
 *
 * @example
 * const [address, credentials, options]: Target = mesh.target('inventory');
 * const stub = new grpc.Client(address, credentials, options); // or new InventoryClient(...mesh.target('inventory'))
 * stub.close();
 */
export type Target = readonly [address: string, credentials: ChannelCredentials, options: ClientOptions];

/** A target by which any grpc-js client calls `service`, inside the context of whoever calls. */
export const targetOf = (grpc: Grpc, home: ClientHome, service: string): Target => [
  home.sidecar,
  grpc.credentials.createInsecure(),
  {
    ...channelOptions,
    'grpc.default_authority': service,
    interceptors: [inContext(grpc, home, service)],
  },
];

/** Lets context, deadline and cancellation follow into a call of grpc-js; what the call says itself wins. */
const inContext =
  (grpc: Grpc, home: ClientHome, service: string): Interceptor =>
  (options, nextCall) => {
    const context: LiveContext | null = home.contexts.getStore() ?? null;
    const { path } = options.method_definition;
    home.begun(context, path);
    const outbound = new Outbound(context, service, path, {}, home.now);
    const span = home.tracing?.made(service, path, context) ?? null;
    span?.about(outbound.facts.correlationId, context);
    if (span !== null) tellSpan(outbound.metadata, span);
    const { leftMs } = outbound.head();
    const own = options.deadline === undefined ? Number.POSITIVE_INFINITY : Number(options.deadline);
    const deadline = Math.min(own, Number.isFinite(leftMs) ? Date.now() + leftMs : own);
    const call = new grpc.InterceptingCall(nextCall({ ...options, deadline }), {
      start: (metadata, _, next) => {
        // The app may use its object for other calls.
        const said = metadata.clone();
        for (const [name, value] of outbound.metadata) if (said.get(name).length === 0) said.set(name, value);
        next(said, {
          onReceiveStatus: (status, pass) => {
            outbound.over();
            span?.ended(status.code, status.details);
            pass(status);
          },
        });
        const refusal = outbound.refusal();
        if (refusal !== null) call.cancelWithStatus(refusal.code, refusal.message);
        else
          outbound.watch(() =>
            call.cancelWithStatus(grpc.status.CANCELLED, outbound.cancelled?.message ?? 'cancelled'),
          );
      },
    });
    return call;
  };
