/**
 * The attacked: a `wire/` server in a process of its own, which tells its port, and on each message what became of it.
 * Started by `trial.ts` with its set-up as JSON.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Limits } from '../../wire/index.ts';
import { answerData, answerEcho, answerNothing, type Exchange, startWire } from '../support/wire-server.ts';

/** How a subject is set up. */
export interface SubjectSetup {
  readonly limits?: Partial<Limits>;
  readonly answer: 'echo' | 'nothing' | 'large headers' | 'hello';
}

/** What became of it. */
export interface SubjectReport {
  /** Octets of memory above the start, at the highest. */
  readonly grown: number;
  /** p99. */
  readonly lagMs: number;
  readonly cpuMs: number;
  readonly connections: number;
  readonly requests: number;
  readonly breaches: Record<string, number>;
  readonly trouble: string[];
}

const answers: Record<SubjectSetup['answer'], (exchange: Exchange) => void> = {
  echo: answerEcho,
  nothing: answerNothing,
  'large headers': ({ stream }) => {
    stream!.headers([':status', '200', 'x-large', 'a'.repeat(10_000)], null, true);
    stream!.release();
  },
  hello: answerData('hello'),
};

const trouble: string[] = [];
process.on('uncaughtException', (error) => void trouble.push(String(error)));
process.on('unhandledRejection', (error) => void trouble.push(String(error)));

const setup = JSON.parse(process.argv[2]!) as SubjectSetup;
const server = await startWire({
  ...(setup.limits && { limits: setup.limits }),
  answer: (exchange) => {
    exchange.keeps = false;
    answers[setup.answer](exchange);
  },
});
const delay = monitorEventLoopDelay({ resolution: 1 });
const begin = { rss: 0, cpu: process.cpuUsage() };
let highest = 0;

/** From here on: memory, lag and CPU of what happens now. */
const reset = (): void => {
  (globalThis as { gc?: () => void }).gc?.();
  begin.rss = highest = process.memoryUsage.rss();
  begin.cpu = process.cpuUsage();
  delay.reset();
  delay.enable();
};

setInterval(() => {
  highest = Math.max(highest, process.memoryUsage.rss());
}, 5);
process.on('message', (word) => {
  if (word === 'reset') {
    reset();
    process.send!('ready');
    return;
  }
  const breaches: Record<string, number> = {};
  for (const breach of server.breaches) breaches[breach] = (breaches[breach] ?? 0) + 1;
  const cpu = process.cpuUsage(begin.cpu);
  const report: SubjectReport = {
    grown: highest - begin.rss,
    lagMs: delay.percentile(99) / 1e6,
    cpuMs: (cpu.user + cpu.system) / 1000,
    connections: server.loop.driven.size,
    requests: server.requests.length,
    breaches,
    trouble,
  };
  process.send!(report);
});
process.on('disconnect', () => process.exit(0));
process.send!({ port: server.port });
