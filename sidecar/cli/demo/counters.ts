import { packageName } from './services.ts';

/** Calls of the demo's services that a sidecar counted, of one direction, service, method, code and decider. */
export interface Counted {
  readonly direction: 'outbound' | 'inbound';
  /** Called (outbound) or calling (inbound). */
  readonly service: string;
  /** Name of the rpc. */
  readonly method: string;
  readonly code: string;
  /** Who decided: peer, wire or mesh. */
  readonly from: string;
  readonly calls: number;
}

const sample = /^outrigger_calls_total\{(.*)\} (\S+)$/;
const label = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g;

/** Reads the counters of calls from a page of metrics. */
export const readCounters = (page: string): Counted[] =>
  page.split('\n').flatMap((line) => {
    const found = sample.exec(line);
    if (found === null) return [];
    const labels = Object.fromEntries([...found[1]!.matchAll(label)].map(([, name, value]) => [name, value]));
    const { direction, service, method, code, from } = labels as Record<string, string>;
    const [, called, rpc] = method!.split('/');
    if (!called!.startsWith(`${packageName}.`)) return [];
    return [
      {
        direction: direction as Counted['direction'],
        service: service!,
        method: rpc!,
        code: code!,
        from: from!,
        calls: Number(found[2]),
      },
    ];
  });

/** Asks a sidecar for its counters. */
export const askCounters = async (admin: string): Promise<Counted[]> =>
  readCounters(await (await fetch(`${admin}/metrics`)).text());

const key = ({ direction, service, method, code, from }: Counted): string =>
  [direction, service, method, code, from].join(' ');

/** What was counted since `before`. */
export const since = (before: readonly Counted[], after: readonly Counted[]): Counted[] => {
  const was = new Map(before.map((each) => [key(each), each.calls]));
  return after.map((each) => ({ ...each, calls: each.calls - (was.get(key(each)) ?? 0) }));
};
