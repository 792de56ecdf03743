import { Code, type Status } from '../core/status.ts';

/** Codes by which a server says that it, and not the request, is at fault; the index is the code. */
const faults: readonly boolean[] = Object.values(Code).map((code) =>
  (
    [
      Code.UNKNOWN,
      Code.DEADLINE_EXCEEDED,
      Code.RESOURCE_EXHAUSTED,
      Code.UNIMPLEMENTED,
      Code.INTERNAL,
      Code.UNAVAILABLE,
      Code.DATA_LOSS,
    ] as readonly Code[]
  ).includes(code),
);

/**
 * Whether the peer failed at a call, as far as balancing goes. Wider than what a gate takes for a failure: nobody is
 * shut out for an INTERNAL, which may be the request's fault, but answering so in a millisecond is not being fast.
 */
export const isServerFault = ({ code, from }: Status): boolean => from === 'peer' && faults[code] === true;
