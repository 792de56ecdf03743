/**
 * The SDK: what an app in JavaScript gains beside its sidecar. Any gRPC client can call through a sidecar; this one
 * knows which call an outbound call belongs to.
 */
export type { Hop } from '../sidecar/core/ledger-text.ts';
export { Code } from '../sidecar/core/status.ts';
export type { Client, Loose } from './client.ts';
export { type ConnectOptions, connect } from './connect.ts';
export type { Context, RunOptions } from './context.ts';
export { type Definition, type DefinitionOptions, definition } from './definition.ts';
export type { Duration } from './duration.ts';
export type { ErrorDetail } from './error-details.ts';
export type { Flags } from './flags.ts';
export type { Hosted } from './host.ts';
export type { LostContext } from './lost.ts';
export type { Mesh } from './mesh.ts';
export { type DecidedBy, MeshError, type MeshErrorFacts } from './mesh-error.ts';
export { Metadata, type MetadataInit, type MetadataValue } from './metadata.ts';
export type { Methods } from './methods.ts';
export type { ClientCall, Messages, MethodFacts, Middleware, ServerCall } from './middleware.ts';
export type { CallOptions } from './outbound.ts';
export type { Served, ServePlace } from './serve.ts';
export type { Target } from './target.ts';
export type { CallerInterface, ServerInterface } from './typed.ts';
export type { InboundCall } from './visit.ts';
