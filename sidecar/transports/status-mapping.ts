import { type Abort, type Breach, ErrorCode } from '../../wire/index.ts';
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

/** The settings behind the limits that one stream can break. */
const settings: { readonly [Limit in Breach]?: string } = {
  message: 'limits.message',
  'message-timeout': 'limits.message-time',
  'header-list': 'limits.header-list and limits.header-fields',
  held: 'limits.held',
};

/** Why a stream ended, and what to change when a limit of ours was the reason. */
const reason = ({ message, breach }: Abort): string => {
  const setting = breach === undefined ? undefined : settings[breach];
  return setting === undefined ? message : `${message} (set by ${setting})`;
};

/**
 * What becomes of a call whose caller's stream is over before its time. Where a limit was broken the code is the one
 * that the caller would have made of a reset: RESOURCE_EXHAUSTED, and CANCELLED for octets that did not come or were
 * not read in time. Not DEADLINE_EXCEEDED, which would be held against the peer.
 */
export const statusOfCallerAbort = (abort: Abort): Status => {
  const broke = abort.breach !== undefined;
  return {
    code: broke ? codeOfReset(abort.code) : Code.CANCELLED,
    message: `the caller's stream: ${reason(abort)}`,
    // A limit is a rule of ours: it tells nothing of the peer, so it is not the wire's.
    from: broke ? 'mesh' : 'wire',
    reached: true,
  };
};

/**
 * What the end of an attempt's stream means for the call. `where` names the peer's address. `late`: the deadline has
 * passed. A server that resets with CANCEL then (grpc-go does, a moment before our own timer) says just that. INTERNAL
 * is the wire's word, whoever reset: the peer has said no status, and must answer for it.
 */
export const statusOfAbort = (abort: Abort, where: string, late = false): Status => {
  const message = `${where}: ${reason(abort)}`;
  if (abort.by === 'connection') return broken(message, abort.reached);
  const outOfTime = abort.breach === 'message-timeout' || (late && abort.code === ErrorCode.CANCEL);
  const code = outOfTime ? Code.DEADLINE_EXCEEDED : codeOfReset(abort.code);
  return {
    code,
    message,
    from: abort.by === 'peer' && abort.reached && code !== Code.INTERNAL ? 'peer' : 'wire',
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
