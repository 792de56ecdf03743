import { askControl, ControlError } from './ask-control.ts';
import { Exit } from './exit.ts';

/** Options of `outrigger drain`, as commander hands them over. */
export interface DrainOptions {
  /** The control socket of the sidecar: a path, or `unix:PATH`. */
  readonly control: string;
  readonly timeoutMs: number;
}

const unavailable = 14;
const late = 4;

/**
 * `outrigger drain`: asks a sidecar to leave the mesh and waits until calls in flight have ended. The sidecar stays for
 * the app's own calls until a signal ends it; for hosts that tell a sidecar of the end before they tell its app.
 */
export const drain = async ({ control, timeoutMs }: DrainOptions): Promise<number> => {
  try {
    await askControl({ control, method: 'Drain', request: {}, timeoutMs });
    return Exit.ok;
  } catch (error) {
    throw error instanceof ControlError ? new Error(reasonOf(error)) : error;
  }
};

const reasonOf = ({ code, message }: ControlError): string => {
  if (code === unavailable) return message;
  return code === late
    ? 'calls were still in flight when the time was over: the sidecar drains on; --timeout waits longer'
    : `the sidecar did not drain: ${message}`;
};
