import type { Context } from './context.ts';
import type { Metadata } from './metadata.ts';
import type { CallOptions } from './outbound.ts';

/**
 * A message, or an async iterable of messages where the method streams.
 *
 * @example
 * const answered = (answer: Messages): boolean => typeof answer === 'object' && answer !== null && 'left' in answer;
 * console.log(answered(await inventory.reserve({ sku: 'oar' })));
 */
export type Messages = unknown;

/**
 * What of a method everybody may know.
 *
 * @example
 * const kind = ({ requestStream, responseStream }: MethodFacts): string => (requestStream || responseStream ? 'stream' : 'unary');
 * console.log(kind({ method: '/shop.v1.Inventory/Reserve', requestStream: false, responseStream: false }));
 */
export interface MethodFacts {
  /** `/package.Service/Method` */
  readonly method: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/**
 * A call that is about to be made. Pass on a changed copy to change it.
 *
 * @example
 * const tenant: Middleware<ClientCall> = (call, next) =>
 *   next({ ...call, options: { ...call.options, metadata: { 'x-tenant': 'north' } } });
 * const northern = await connect({ clientMiddleware: [tenant] });
 * northern.close();
 */
export interface ClientCall extends MethodFacts {
  /** Name of the service in the mesh. */
  readonly service: string;
  readonly request: Messages;
  readonly options: CallOptions;
}

/**
 * A call that is about to be answered.
 *
 * @example
 * const onlyWeb: Middleware<ServerCall> = (call, next) => {
 *   if (call.context.caller !== 'web') throw new MeshError(Code.PERMISSION_DENIED, 'only web may');
 *   return next(call);
 * };
 * const guarded = await connect({ serverMiddleware: [onlyWeb] });
 * guarded.close();
 */
export interface ServerCall extends MethodFacts {
  readonly request: Messages;
  readonly context: Context;
  readonly metadata: Metadata;
}

/**
 * A function around each call. What it returns is the answer: a message, or an async iterable of messages where the
 * answer streams. A throw fails the call.
 *
 * @example
 * const timed: Middleware<ClientCall> = async (call, next) => {
 *   const begun = performance.now();
 *   try {
 *     return await next(call);
 *   } finally {
 *     console.log(call.method, performance.now() - begun);
 *   }
 * };
 * const timing = await connect({ clientMiddleware: [timed] });
 * await timing.client(Inventory, 'inventory').reserve({ sku: 'oar' });
 * timing.close();
 */
export type Middleware<C> = (call: C, next: (call: C) => Promise<Messages>) => Promise<Messages>;

/** All of them around `last`, the first outermost. */
export const through = <C>(
  middleware: readonly Middleware<C>[],
  last: (call: C) => Promise<Messages>,
): ((call: C) => Promise<Messages>) =>
  middleware.reduceRight<(call: C) => Promise<Messages>>((next, each) => (call) => each(call, next), last);
