import { messageOf } from '../core/thrown.ts';

/**
 * Why Consul did not answer a question: `refused` (no connection, or it broke), `timeout`, `status` (an HTTP
 * status other than 200), `garbage` (not what was asked for), `large` (above the bound), `stopped` (by us), `token` (its
 * file cannot be read), `unread` (a large answer, and the thread that reads those failed).
 */
export type ConsulFailure =
  | 'refused'
  | 'timeout'
  | 'status'
  | 'garbage'
  | 'large'
  | 'stopped'
  | 'token'
  | 'unread';

/** A question that Consul did not answer. The message names the agent, the path, the cause and, where known, the fix. */
export class ConsulError extends Error {
  readonly failure: ConsulFailure;
  /** HTTP status; 0 when there was none. */
  readonly status: number;

  constructor(failure: ConsulFailure, message: string, status = 0) {
    super(message);
    this.name = 'ConsulError';
    this.failure = failure;
    this.status = status;
  }
}

/** What anything thrown says, in one line of at most 300 characters. */
export const reasonOf = (thrown: unknown): string => {
  const text = messageOf(thrown);
  // A dial to `localhost` fails once per address; Node then leaves the message of the whole empty.
  const code = (thrown as { code?: unknown } | null)?.code;
  const said = text !== '' ? text : typeof code === 'string' ? code : 'no reason given';
  return said.replace(/\s+/g, ' ').slice(0, 300);
};
