import { readFileSync } from 'node:fs';
import type { Line } from './diary.ts';
import type { Books } from './ledger.ts';

/** One line about a call, wherever it was written. */
export interface Trace {
  /** Name of the process: `orders`, or `orders (sidecar)`. */
  readonly process: string;
  readonly at: number;
  readonly said: string;
}

/** Everything that any process wrote about a correlation id, in the order of time. */
export const follow = (books: Books, id: string): Trace[] => {
  const traces = [...books.values()].flatMap(({ member, lines }) => [
    ...lines
      .filter((line) => line.id === id && line.event !== 'began')
      .map((line) => ({ process: member.name, at: line.at, said: inWords(line) })),
    ...member.logs.flatMap((log) =>
      sidecarLines(log, id).map((line) => ({ process: `${member.name} (sidecar)`, ...line })),
    ),
  ]);
  return traces.sort((one, other) => one.at - other.at);
};

const inWords = ({ event, peer, method, code, tookMs, message }: Line): string => {
  const took = `${code} in ${tookMs.toFixed(1)} ms${message === '' ? '' : `: ${message}`}`;
  return event === 'called' ? `called ${peer}/${method}: ${took}` : `served ${method} for ${peer}: ${took}`;
};

/** A line of a sidecar's log, as far as it is read here. */
interface SidecarLine {
  readonly level: string;
  readonly time: string;
  readonly event: string;
  readonly direction?: string;
  readonly service?: string;
  readonly method?: string;
  readonly at?: string;
  readonly code?: string;
  /** Of a line about a call, and of one about a call that failed. */
  readonly tookMs?: number;
  readonly ms?: number;
}

/** Sidecars write whole milliseconds, cut off; this is right on average. */
const halfMs = 0.5;

const sidecarLines = (log: string, id: string): { at: number; said: string }[] =>
  readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line.includes(id))
    .flatMap((text) => {
      try {
        const line = JSON.parse(text) as SidecarLine;
        return [{ at: Date.parse(line.time) + halfMs, said: sidecarWords(line) }];
      } catch {
        // A line that a kill cut short, or that an app wrote.
        return [];
      }
    });

const sidecarWords = ({
  level,
  event,
  direction,
  service,
  method,
  at,
  code,
  tookMs,
  ms = tookMs,
}: SidecarLine): string => {
  if (direction === undefined) return `${level}: ${event}`;
  const where = at === undefined ? '' : ` at ${at}`;
  const way = direction === 'outbound' ? `to ${service}${where}` : `from ${service}`;
  return `${method?.split('/').at(-1)} ${way}: ${code} in ${ms?.toFixed(1)} ms`;
};
