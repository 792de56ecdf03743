import type { DescMessage, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { GrpcMethod } from './shape.ts';

/** Never there: it ties a definition to its interfaces. */
export declare const interfaceOf: unique symbol;

/** What callers of a service see of it, and what whoever serves it sees. */
export interface Sides<Caller, Server> {
  readonly caller: Caller;
  readonly server: Server;
}

/**
 * The interface of a service as its callers see it: a function per method.
 *
 * @example
 * type Reserve = CallerInterface<typeof Inventory>['reserve'];
 * const request: Parameters<Reserve>[0] = { sku: 'oar' };
 * await inventory.reserve(request);
 */
export type CallerInterface<D> = InterfaceOf<D, 'caller'>;

/**
 * The interface of a service as whoever serves it sees it.
 *
 * @example
 * const answers: Pick<Methods<ServerInterface<typeof Inventory>>, 'reserve'> = { reserve: () => ({ left: 3 }) };
 * console.log(Object.keys(answers));
 */
export type ServerInterface<D> = InterfaceOf<D, 'server'>;

type Side = 'caller' | 'server';

type InterfaceOf<D, S extends Side> = D extends { readonly [interfaceOf]?: infer I }
  ? unknown extends I
    ? Unbranded<D, S>
    : I extends Sides<unknown, unknown>
      ? I[S]
      : never
  : Unbranded<D, S>;

type Unbranded<D, S extends Side> = D extends { readonly kind: 'service'; readonly method: infer M }
  ? { readonly [K in keyof M]: EsFunction<M[K], S> }
  : D extends { readonly service: infer T extends object }
    ? Unbranded<T, S>
    : { readonly [K in keyof D as Uncapitalize<K & string>]: GrpcFunction<D[K], S> };

type EsFunction<M, S extends Side> = M extends {
  readonly methodKind: infer Kind;
  readonly input: infer I extends DescMessage;
  readonly output: infer O extends DescMessage;
}
  ? MethodFunction<
      Kind extends 'client_streaming' | 'bidi_streaming' ? true : false,
      Kind extends 'server_streaming' | 'bidi_streaming' ? true : false,
      S extends 'caller' ? MessageInitShape<I> : MessageShape<I>,
      S extends 'caller' ? MessageShape<O> : MessageInitShape<O>
    >
  : never;

type GrpcFunction<M, S extends Side> = M extends GrpcMethod
  ? MethodFunction<
      M['requestStream'],
      M['responseStream'],
      S extends 'caller' ? Parameters<M['requestSerialize']>[0] : ReturnType<M['requestDeserialize']>,
      S extends 'caller' ? ReturnType<M['responseDeserialize']> : Parameters<M['responseSerialize']>[0]
    >
  : never;

/** Of definitions that do not say at compile time what streams, nothing can be said. */
type MethodFunction<RequestStream, ResponseStream, Input, Output> = boolean extends RequestStream
  ? // biome-ignore lint/suspicious/noExplicitAny: whoever has no types is not to be held up by them
    (input: any) => any
  : (
      input: RequestStream extends true ? AsyncIterable<Input> : Input,
    ) => ResponseStream extends true ? AsyncIterable<Output> : Promise<Output>;
