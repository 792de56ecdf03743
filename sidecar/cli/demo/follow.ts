import { readFileSync } from 'node:fs';
import type { Cast } from './cast.ts';
import type { Line } from './diary.ts';
import type { Books } from './ledger.ts';

/** One line about a call, wherever it was written. */
export interface Trace {
  /** Name of the process: `orders`, or `sidecar of orders`. */
  readonly process: string;
  readonly at: number;
  readonly said: string;
}

/** Everything that any process wrote about a correlation id, in the order of time. */
export const follow = (cast: Cast, books: Books, id: string): Trace[] => {
  const apps = [...books.values()].flatMap(({ member, lines }) =>
    lines
      .filter((line) => line.id === id && line.event !== 'began')
      .map((line) => ({ process: member.name, at: line.at, said: inWords(line) })),
  );
  const sidecars = [...cast.members.values()].flatMap(({ name, logs }) =>
    logs.flatMap((log) => sidecarLines(log, id).map((line) => ({ process: `${name}'s sidecar`, ...line }))),
  );
  return [...apps, ...sidecars].sort((one, other) => one.at - other.at);
};

const inWords = ({ event, peer, method, code, tookMs, message }: Line): string => {
  const took = `${code} in ${tookMs.toFixed(1)} ms${message === '' ? '' : `: ${message}`}`;
  return event === 'called' ? `called ${peer}/${method}: ${took}` : `served ${method} for ${peer}: ${took}`;
};

const sidecarLines = (log: string, id: string): { at: number; said: string }[] =>
  readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line.includes(id))
    .flatMap((line) => {
      try {
        const { level, time, event } = JSON.parse(line) as { level: string; time: string; event: string };
        return [{ at: Date.parse(time), said: `${level}: ${event}` }];
      } catch {
        return [];
      }
    });
