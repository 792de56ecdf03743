import { type Abort, ErrorCode } from '../../wire/index.ts';
import { broken, Code, type Status } from '../core/status.ts';

/**
 * The gRPC code of a stream that was reset.
 *
 * Ref: gRPC over HTTP/2, "HTTP2 Transport Mapping, Errors".
 */
const codeOfReset = (code: number): Code => {
  switch (code) {
    case ErrorCode.REFUSED_STREAM:
      return Code.UNAVAILABLE;
    case ErrorCode.CANCEL:
      return Code.CANCELLED;
    case ErrorCode.ENHANCE_YOUR_CALM:
      return Code.RESOURCE_EXHAUSTED;
    case ErrorCode.INADEQUATE_SECURITY:
      return Code.PERMISSION_DENIED;
    default:
      return Code.INTERNAL;
  }
};

/**
 * What the end of an attempt's stream means for the call. `where` names the peer's address. `late`: the deadline has
 * passed. A server that resets with CANCEL then (grpc-go does, a moment before our own timer) says just that.
 */
export const statusOfAbort = (abort: Abort, where: string, late = false): Status => {
  const message = `${where}: ${abort.message}`;
  if (abort.by === 'connection') return broken(message, abort.reached);
  const outOfTime = abort.breach === 'message-timeout' || (late && abort.code === ErrorCode.CANCEL);
  const code = outOfTime ? Code.DEADLINE_EXCEEDED : codeOfReset(abort.code);
  return {
    code,
    message,
    from: abort.by === 'peer' && abort.reached ? 'peer' : 'wire',
    reached: abort.reached,
  };
};

/** The gRPC code of an HTTP status other than 200. Ref: gRPC, "HTTP to gRPC Status Code Mapping". */
export const codeOfHttp = (status: string): Code => {
  switch (status) {
    case '400':
      return Code.INTERNAL;
    case '401':
      return Code.UNAUTHENTICATED;
    case '403':
      return Code.PERMISSION_DENIED;
    case '404':
      return Code.UNIMPLEMENTED;
    case '429':
    case '502':
    case '503':
    case '504':
      return Code.UNAVAILABLE;
    default:
      return Code.UNKNOWN;
  }
};
