import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Job, Load, Outcome } from './load/job.ts';

const script = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** What the load generator answers a job with. */
interface Reply {
  readonly answer?: unknown;
  readonly error?: string;
}

/** The process that makes the calls: one job at a time. */
export class LoadGenerator {
  readonly #child: ChildProcess = fork(script('./load/main.js'));
  #answer: (reply: Reply) => void = () => {};

  constructor() {
    this.#child.on('message', (reply: Reply) => this.#answer(reply));
    this.#child.on('exit', (code, signal) =>
      this.#answer({ error: `the load generator ended (${signal ?? code})` }),
    );
  }

  async run(job: Load): Promise<Outcome> {
    return (await this.#ask(job)) as Outcome;
  }

  /** Opens connections and leaves them idle until `release`. */
  async hold(port: number, connections: number): Promise<void> {
    await this.#ask({ kind: 'hold', port, connections });
  }

  async release(): Promise<void> {
    await this.#ask({ kind: 'release' });
  }

  stop(): Promise<void> {
    return end(this.#child);
  }

  async #ask(job: Job): Promise<unknown> {
    const reply = await new Promise<Reply>((resolve) => {
      this.#answer = resolve;
      this.#child.send(job);
    });
    if (reply.error !== undefined) throw new Error(reply.error);
    return reply.answer;
  }
}

/** The gRPC server behind every chain. */
export class Backend {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.port = port;
  }

  static async start(): Promise<Backend> {
    const child = fork(script('./backend.js'));
    const [port] = (await once(child, 'message')) as [number];
    return new Backend(child, port);
  }

  stop(): Promise<void> {
    return end(this.#child);
  }
}

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.disconnect();
  await gone;
};
