/**
 * How the command ends. `run` passes on the app's own code; an app that a signal ended counts as 128 and the signal's
 * number, as shells have it.
 */
export const Exit = {
  ok: 0,
  /** It was asked for rightly and failed: a port in use, a call that ended with an error. */
  failure: 1,
  /** It was asked for wrongly: an unknown option, or settings with a mistake. */
  usage: 2,
  /** The app of `run` is there and cannot be executed. */
  notExecutable: 126,
  /** The app of `run` is not there. */
  notFound: 127,
} as const;

/** A mistake on the command line: what, and what to write instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
