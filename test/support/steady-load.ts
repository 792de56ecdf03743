import * as grpc from '@grpc/grpc-js';
import type { Answers, EchoClient } from './echo-client.ts';

/** Unary calls that go on until told to stop, and what became of them. */
export interface SteadyLoad {
  readonly codes: number[];
  /** What the failed calls were told. */
  readonly complaints: string[];
  /** Milliseconds of each, in the order in which they ended. */
  readonly latencies: number[];
  /** Makes no more, and waits for those in flight. */
  stop(): Promise<void>;
}

const longestCallMs = 1000;
/** Longer than a busy machine stands still: what still fails is refused, cut off or led astray. */
export const patientMs = 10_000;

/** `atOnce` callers, each of which calls again once it has its answer. */
export const steadily = (client: EchoClient, atOnce = 4): SteadyLoad => {
  const { one, ...notes } = noted(client, 'm');
  let going = true;
  const work = Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (going) await one();
    }),
  );
  return {
    ...notes,
    stop: async () => {
      going = false;
      await work;
    },
  };
};

/** `perSecond` calls of 1 KiB that may take `mostMs` each, whether those before were answered or not. */
export const atRate = (client: EchoClient, perSecond: number, mostMs: number = longestCallMs): SteadyLoad => {
  const { one, ...notes } = noted(client, 'x'.repeat(1024), mostMs);
  const inFlight = new Set<Promise<void>>();
  const begin = performance.now();
  let made = 0;
  const timer = setInterval(() => {
    // What a late tick left out is made up for: the rate is that of the wall clock.
    for (const due = ((performance.now() - begin) * perSecond) / 1000; made < due; made++) {
      const call: Promise<void> = one().finally(() => inFlight.delete(call));
      inFlight.add(call);
    }
  }, 5);
  return {
    ...notes,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(inFlight);
    },
  };
};

/** Those of `codes` that are failures. */
export const failures = (codes: readonly number[]): number[] =>
  codes.filter((code) => code !== grpc.status.OK);

/** Sends `text` over an echoing stream; whether it came back, and not the stream's end or five seconds of nothing. */
export const echoes = ({ call, ended }: Answers, text: string): Promise<boolean> =>
  new Promise((resolve) => {
    const patience = setTimeout(() => resolve(false), 5000);
    const settle = (came: boolean): void => {
      clearTimeout(patience);
      resolve(came);
    };
    call.once('data', (message: Buffer) => settle(String(message) === text));
    void ended.then(() => settle(false));
    call.write(Buffer.from(text));
  });

const noted = (
  client: EchoClient,
  text: string,
  deadlineMs?: number,
): Omit<SteadyLoad, 'stop'> & { one(): Promise<void> } => {
  const codes: number[] = [];
  const complaints: string[] = [];
  const latencies: number[] = [];
  return {
    codes,
    complaints,
    latencies,
    one: async () => {
      const begin = performance.now();
      const { code, message } = await client.call('Unary', text, { deadlineMs });
      latencies.push(performance.now() - begin);
      codes.push(code);
      if (code !== grpc.status.OK) complaints.push(message);
    },
  };
};
