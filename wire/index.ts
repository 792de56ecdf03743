export { Connection, type ConnectionListener, type ConnectionOptions } from './connection.ts';
export { type Breach, ResetWatch } from './floods.ts';
export { ErrorCode, errorName } from './frames.ts';
export { defaultLimits, type Limits } from './limits.ts';
export { Loop } from './loop.ts';
export type { Abort, Stream, StreamListener } from './stream.ts';
