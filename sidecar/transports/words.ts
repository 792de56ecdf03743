import type { Words } from '../core/call.ts';
import { cleanId } from '../core/clean-id.ts';
import { isSpokenFor } from '../core/spoken-for.ts';

/** What a request's fields say, split in one pass: what the mesh reads, and what it passes on. */
export interface RequestHead {
  readonly httpMethod: string;
  readonly path: string;
  readonly authority: string;
  readonly contentType: string;
  readonly words: Words;
  /** Name, value, name, value: everything else, content-type and x-correlation-id included. */
  readonly metadata: readonly string[];
}

const drop = 1;

/** Where each known name goes: an index into the slots below. Everything unknown is metadata. */
const slots: ReadonlyMap<string, number> = new Map([
  ['te', drop],
  ['host', drop],
  [':scheme', drop],
  [':method', 2],
  [':path', 3],
  [':authority', 4],
  ['content-type', 5],
  ['x-request-id', 6],
  ['x-correlation-id', 7],
  ['traceparent', 8],
  ['tracestate', 9],
  ['baggage', 10],
  ['grpc-timeout', 11],
  ['x-outrigger-service', 12],
  ['x-outrigger-token', 13],
  ['x-outrigger-priority', 14],
  ['x-outrigger-fault', 15],
  ['x-outrigger-flags', 16],
]);

/** Splits a request's fields. A word that comes twice: baggage is joined, of the others the first counts. */
export const readHead = (fields: readonly string[]): RequestHead => {
  const found: string[] = ['', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', ''];
  const metadata: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    const value = fields[i + 1]!;
    const slot = slots.get(name);
    if (slot === undefined) {
      // Every other spelling of our own prefix is here too: nobody may speak for a sidecar.
      if (!isSpokenFor(name)) metadata.push(name, value);
    } else if (slot !== drop) {
      if (found[slot] === '') found[slot] = value;
      else if (slot === 10) found[slot] += `,${value}`;
      // Apps may read the other spelling of the id themselves: it passes as it came, unless it could forge their lines.
      if (slot === 5 || (slot === 7 && cleanId(value))) metadata.push(name, value);
    }
  }
  return {
    httpMethod: found[2]!,
    path: found[3]!,
    authority: found[4]!,
    contentType: found[5]!,
    words: {
      requestId: found[6] !== '' ? found[6]! : found[7]!,
      traceparent: found[8]!,
      tracestate: found[9]!,
      baggage: found[10]!,
      timeout: found[11]!,
      service: found[12]!,
      token: found[13]!,
      priority: found[14]!,
      fault: found[15]!,
      flags: found[16]!,
    },
    metadata,
  };
};
