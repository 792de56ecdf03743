export { Connection } from './connection.ts';
export type { ConnectionListener, ConnectionOptions } from './connection-options.ts';
export { type Breach, ResetWatch } from './floods.ts';
export { ErrorCode } from './frames.ts';
export { defaultLimits, type Limits } from './limits.ts';
export { Loop } from './loop.ts';
export type { Stream } from './stream.ts';
export type { Abort, StreamListener } from './stream-listener.ts';
