import { connect } from 'node:net';
import type { Status } from './definitions.ts';
import type { Check, StartCheck } from './registry.ts';
import type { Time } from './time.ts';

/** What one probe has found. */
export interface Finding {
  readonly status: Status;
  readonly output: string;
}

/** One probe of one target; the signal ends it early. Never rejects. */
export type Probe = (check: Check, signal: AbortSignal) => Promise<Finding>;

/** Asks whether `host:port` accepts a connection. */
export const tcpProbe: Probe = (check, signal) =>
  new Promise((resolve) => {
    const { target, timeoutMs } = check.definition;
    const colon = target.lastIndexOf(':');
    const host = target.slice(0, colon).replace(/^\[|\]$/g, '');
    const port = Number(target.slice(colon + 1));
    if (colon < 0 || !(port > 0 && port < 65536)) {
      resolve({
        status: 'critical',
        output: `dial tcp: address ${target}: missing or wrong port in address`,
      });
      return;
    }
    const socket = connect({ host, port });
    const end = (status: Status, output: string): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      socket.destroy();
      resolve({ status, output });
    };
    const abort = (): void => end('critical', 'stopped');
    const timer = setTimeout(() => end('critical', `dial tcp ${target}: i/o timeout`), timeoutMs);
    signal.addEventListener('abort', abort);
    socket.once('connect', () => end('passing', `TCP connect ${target}: Success`));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      end(
        'critical',
        `dial tcp ${target}: ${error.code === 'ECONNREFUSED' ? 'connect: connection refused' : error.message}`,
      ),
    );
  });

/**
 * Starts a check: a TTL that runs out unless it hears of its service, or a probe again and again. What is found goes
 * to `report`. The first probe is made at once, not spread over the interval as by a large cluster's agents.
 */
export const checkStarter =
  (
    time: Time,
    probes: Readonly<Record<'tcp' | 'grpc', Probe>>,
    report: (check: Check, status: Status, output: string) => void,
  ): StartCheck =>
  (check) => {
    const { kind, intervalMs } = check.definition;
    if (kind === 'ttl') return time.after(intervalMs, () => report(check, 'critical', 'TTL expired'));
    if (kind !== 'tcp' && kind !== 'grpc') return () => {};
    const ending = new AbortController();
    let cancel = (): void => {};
    let good = 0;
    let bad = 0;
    const judge = ({ status, output }: Finding): void => {
      good = status === 'passing' ? good + 1 : 0;
      bad = status === 'passing' ? 0 : bad + 1;
      const { successBeforePassing, failuresBeforeCritical } = check.definition;
      if (good > successBeforePassing || bad > failuresBeforeCritical) report(check, status, output);
    };
    const turn = async (): Promise<void> => {
      const found = await probes[kind](check, ending.signal);
      if (ending.signal.aborted) return;
      judge(found);
      cancel = time.after(intervalMs, turn);
    };
    cancel = time.after(0, turn);
    return () => {
      cancel();
      ending.abort();
    };
  };
