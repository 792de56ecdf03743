/**
 * The SDK: what an app in JavaScript gains beside its sidecar. Any gRPC client can call through a sidecar; this one
 * knows which call an outbound call belongs to.
 */
export { Code } from '../sidecar/core/status.ts';
export type { Client, Loose } from './client.ts';
export { type BeginOptions, type ConnectOptions, connect, type Mesh } from './connect.ts';
export type { Context } from './context.ts';
export { type Definition, type DefinitionOptions, definition } from './definition.ts';
export { Metadata } from './grpc.ts';
export { type DecidedBy, MeshError, type MeshErrorFacts } from './mesh-error.ts';
export type { Methods } from './methods.ts';
export type { CallOptions } from './outbound.ts';
export type { Served, ServePlace } from './serve.ts';
export type { InboundCall } from './visit.ts';
