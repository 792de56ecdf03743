import { Code } from '../sidecar/core/status.ts';
import type { CallListener, Line } from './channel.ts';
import { Metadata } from './metadata.ts';

/** Why no call begins on a mesh that was closed. */
export const closedBefore = 'the mesh was closed: make no calls behind mesh.close()';

/** A call that cannot begin: it ends a moment later, and nobody has seen it. */
export const refusedLine = (listener: CallListener, message: string, code: Code = Code.UNAVAILABLE): Line => {
  const trailers = new Metadata({ 'x-outrigger-reached': 'false', 'x-outrigger-from': 'mesh' });
  const own = message === closedBefore ? ({ decidedBy: 'sdk' } as const) : {};
  queueMicrotask(() => listener.ended({ code, message, trailers, ...own }));
  return { send: () => {}, end: () => {}, read: () => {}, cancel: () => {} };
};
