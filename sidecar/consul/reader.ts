import { Worker } from 'node:worker_threads';
import { isExecutable, packed } from '../core/executable.ts';
import type { Kit } from '../core/kit.ts';
import { type Timer, timer } from '../core/wheel.ts';
import type { AnswerBody } from './answer-body.ts';
import { ConsulError, reasonOf } from './errors.ts';
import { readAnswer, type Shapes } from './reading.ts';
import type { Asked, Told } from './reading-thread.ts';

/** Where and from which size on answers are read apart. */
export interface ReaderOptions {
  readonly kit: Pick<Kit, 'wheel' | 'meter'>;
  /** Bytes from which on an answer is read in the thread; default 256 KiB, which holds the loop for about 2 ms. */
  readonly apartFrom?: number | undefined;
  /** What runs in the thread; tests put in what fails. */
  readonly thread?: URL | undefined;
}

/** Bytes of answers that may wait for the thread together: four of the largest. */
const mostWaiting = 32 * 1024 * 1024;
/** Milliseconds for one answer, its wait for others included. */
const readMs = 10_000;
/** The thread ends when no large answer came for so long, milliseconds, and gives its memory back. */
const idleMs = 60_000;
/** Heap of the thread in MiB: 8 MiB of the most wasteful JSON take less; what would take more ends the thread alone. */
const heapMb = 512;

/** An answer in the thread. */
interface Waiting {
  /** Bytes. */
  readonly length: number;
  readonly place: string;
  readonly signal: AbortSignal;
  readonly limit: Timer;
  readonly stop: () => void;
  readonly resolve: (json: string) => void;
  readonly reject: (error: ConsulError) => void;
}

/**
 * AnswerReader reads answers: small ones at once, large ones in one thread beside, so that the loop that carries calls
 * does not stand still. The thread is started by the first large answer and keeps nobody's process alive.
 */
export class AnswerReader {
  readonly #options: ReaderOptions;
  readonly #apartFrom: number;
  readonly #waiting: Map<number, Waiting> = new Map();
  readonly #idle: Timer = timer(() => this.#end());
  #thread: Worker | null = null;
  #bytes = 0;
  #id = 0;
  #closed = false;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#apartFrom = options.apartFrom ?? 256 * 1024;
  }

  /** Reads one answer; `place` says what it answered. Rejects with a ConsulError. Takes the parts of a large body. */
  async read<S extends keyof Shapes>(
    shape: S,
    body: AnswerBody,
    place: string,
    signal: AbortSignal,
  ): Promise<Shapes[S]> {
    if (body.length < this.#apartFrom) return readAnswer(shape, body.text, place);
    const { meter } = this.#options.kit;
    meter.count('outrigger_consul_large_answers_total', shape).value++;
    // The thread has checked it.
    return JSON.parse(await this.#readApart(shape, body, place, signal)) as Shapes[S];
  }

  /** Ends the thread. What is being read fails. */
  close(): void {
    this.#closed = true;
    this.#refuseAll('stopped', 'stopped');
    this.#end();
  }

  #readApart(
    shape: keyof Shapes,
    { length, parts }: AnswerBody,
    place: string,
    signal: AbortSignal,
  ): Promise<string> {
    if (this.#closed || signal.aborted) throw new ConsulError('stopped', `${place}: stopped`);
    if (this.#bytes + length > mostWaiting)
      throw new ConsulError(
        'unread',
        `${place}: ${this.#bytes} bytes of large answers wait to be read already; it is asked again`,
      );
    const { wheel } = this.#options.kit;
    return new Promise((resolve, reject) => {
      const id = ++this.#id;
      const late = (): void => this.#restart(`an answer of ${length} bytes was not read within ${readMs} ms`);
      const stop = (): void => this.#refuse(id, 'stopped', 'stopped');
      const limit = timer(late);
      this.#waiting.set(id, { length, place, signal, limit, stop, resolve, reject });
      this.#bytes += length;
      wheel.disarm(this.#idle);
      wheel.arm(limit, readMs);
      signal.addEventListener('abort', stop);
      this.#hand({ id, shape, parts, place });
    });
  }

  #hand(asked: Asked): void {
    try {
      this.#thread ??= this.#start();
      const memory = asked.parts.map(({ buffer }) => buffer);
      this.#thread.postMessage(asked, memory);
    } catch (thrown) {
      this.#restart(reasonOf(thrown));
    }
  }

  #start(): Worker {
    const { thread = readingThread() } = this.#options;
    // Flags of this process, as a preloaded module that watches stdin, are not the thread's.
    const worker = new Worker(thread, { execArgv: [], resourceLimits: { maxOldGenerationSizeMb: heapMb } });
    worker.unref();
    // One that was ended in the meantime must not end the answers of its successor.
    const failed = (why: string): void => void (this.#thread === worker && this.#restart(why));
    worker.on('message', (told: Told) => this.#hear(told));
    worker.on('error', (error) => failed(reasonOf(error)));
    worker.on('exit', (code) => failed(`it ended with ${code}`));
    return worker;
  }

  #hear(told: Told): void {
    const waiting = this.#over(told.id);
    if ('json' in told) waiting?.resolve(told.json);
    else waiting?.reject(new ConsulError('garbage', told.garbage));
  }

  /** The thread is of no use: those that wait for it fail, and the next large answer starts another. */
  #restart(why: string): void {
    this.#end();
    this.#refuseAll('unread', `the thread that reads large answers failed: ${why}; it is asked again`);
  }

  #refuseAll(failure: ConsulError['failure'], why: string): void {
    for (const id of [...this.#waiting.keys()]) this.#refuse(id, failure, why);
  }

  #refuse(id: number, failure: ConsulError['failure'], why: string): void {
    const waiting = this.#over(id);
    waiting?.reject(new ConsulError(failure, `${waiting.place}: ${why}`));
  }

  /** Takes out who waits no longer. */
  #over(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return undefined;
    const { wheel } = this.#options.kit;
    this.#waiting.delete(id);
    this.#bytes -= waiting.length;
    wheel.disarm(waiting.limit);
    waiting.signal.removeEventListener('abort', waiting.stop);
    if (this.#waiting.size === 0 && this.#thread !== null) wheel.arm(this.#idle, idleMs);
    return waiting;
  }

  #end(): void {
    const thread = this.#thread;
    this.#thread = null;
    this.#options.kit.wheel.disarm(this.#idle);
    void thread?.terminate();
  }
}

/** The thread as a module: a built file runs as it is; sources need the loader that reads TypeScript, in each thread. */
const readingThread = (): URL => {
  if (isExecutable())
    return new URL(`data:text/javascript;base64,${packed('reading-thread.js').toString('base64')}`);
  if (!import.meta.url.endsWith('.ts')) return new URL('./reading-thread.js', import.meta.url);
  const source = JSON.stringify(new URL('./reading-thread.ts', import.meta.url).href);
  const words = `import { register } from 'node:module';
    register('tsx/esm', ${source}, { data: true });
    await import(${source});`;
  return new URL(`data:text/javascript,${encodeURIComponent(words)}`);
};
