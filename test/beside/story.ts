import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { percentile } from '../chaos/row.ts';
import { EchoClient } from '../support/echo-client.ts';
import { within } from '../support/outages.ts';
import { atRate, failures, type SteadyLoad } from '../support/steady-load.ts';
import type { Fault, Report } from './app.ts';
import type { App } from './apps.ts';
import type { Sidecar, Start } from './proxies.ts';

/** A partial failure, and the calls that meet it. */
export interface Story {
  readonly faulty: number;
  readonly instances: number;
  readonly fault: Fault;
  readonly perSecond: number;
  /** Milliseconds for which it lasts. */
  readonly forMs: number;
}

/** What became of the calls through one proxy, from the beginning of the fault to its end. */
export interface Outcome {
  readonly calls: number;
  readonly failed: number;
  /** Of the calls that ended later than 2 s after the beginning. */
  readonly lateOk: number;
  /** Calls that the apps saw, by calls made. */
  readonly attempts: number;
  readonly p99Ms: number;
  /** The most instances that were well and kept out at one time. */
  readonly innocentsOut: number;
  /** Five for each faulty app, what was there at one time, and a call for each of our probes there. */
  readonly mayFail: number;
}

const warmMs = 1000;
const learningMs = 2000;
const lookMs = 100;
const toShut = 5;
const startMs = 10_000;

/** One proxy's part of a story. */
class Part {
  readonly name: string;
  readonly proxy: Sidecar;
  readonly #client: EchoClient;
  #load!: SteadyLoad;
  #begin = 0;
  #from = 0;
  #innocents: readonly string[] = [];
  #innocentsOut = 0;

  constructor(name: string, proxy: Sidecar) {
    this.name = name;
    this.proxy = proxy;
    const words = { 'grpc.default_authority': 'echo', 'grpc.primary_user_agent': name };
    this.#client = new EchoClient(`127.0.0.1:${proxy.port}`, words);
  }

  async start(perSecond: number): Promise<void> {
    const goesWell = async (): Promise<boolean> =>
      (await this.#client.call('Unary', 'm', { deadlineMs: 1000 })).code === 0;
    if ((await within(startMs, goesWell)) < 0) throw new Error(`no call goes well through ${this.name}`);
    this.#load = atRate(this.#client, perSecond);
  }

  begin(innocents: readonly string[]): void {
    this.#innocents = innocents;
    this.#begin = this.#load.codes.length;
  }

  learned(): void {
    this.#from = this.#load.codes.length;
  }

  async look(): Promise<void> {
    const out = (await this.proxy.out()).filter((address) => this.#innocents.includes(address));
    this.#innocentsOut = Math.max(this.#innocentsOut, out.length);
  }

  end(): Promise<void> {
    return this.#load.stop();
  }

  /** `faulty`: how many of the reports, from the first on, are of apps that were not well. */
  outcome(reports: readonly Report[], faulty: number): Outcome {
    const { codes, latencies } = this.#load;
    const since = codes.slice(this.#begin);
    const late = codes.slice(this.#from);
    const seen = reports.reduce((sum, { callers }) => sum + (callers[this.name]?.calls ?? 0), 0);
    const mayFail = reports
      .slice(0, faulty)
      .reduce((sum, { callers, checks }) => sum + toShut + (callers[this.name]?.mostAtOnce ?? 0) + checks, 0);
    return {
      calls: since.length,
      failed: failures(since).length,
      lateOk: 1 - failures(late).length / late.length,
      attempts: seen / since.length,
      p99Ms: percentile(latencies.slice(this.#begin), 0.99),
      innocentsOut: this.#innocentsOut,
      mayFail,
    };
  }

  async close(): Promise<void> {
    await this.#load?.stop();
    this.#client.close();
    await this.proxy.stop();
  }
}

/** Plays a story through all proxies at once, each of its own processes, on the same apps; what became of each. */
export const play = async (
  { faulty, instances, fault, perSecond, forMs }: Story,
  all: readonly App[],
  proxies: ReadonlyMap<string, Start>,
): Promise<ReadonlyMap<string, Outcome>> => {
  const apps = all.slice(0, instances);
  const addresses = apps.map(({ address }) => address);
  const tell = (what: Fault): Promise<Report[]> =>
    Promise.all(apps.map((app, at) => app.tell(at < faulty ? what : 'none')));
  const folder = mkdtempSync(join(tmpdir(), 'beside-'));
  const parts: Part[] = [];
  try {
    for (const [name, start] of proxies) parts.push(new Part(name, await start(addresses, folder)));
    await Promise.all(parts.map((part) => part.start(perSecond)));
    await pause(warmMs);
    await tell(fault);
    for (const part of parts) part.begin(addresses.slice(faulty));
    const beganAt = performance.now();
    let hasLearned = false;
    for (;;) {
      await Promise.all([...parts.map((part) => part.look()), pause(lookMs)]);
      const elapsed = performance.now() - beganAt;
      if (elapsed >= learningMs && !hasLearned) {
        for (const part of parts) part.learned();
        hasLearned = true;
      }
      if (elapsed >= forMs) break;
    }
    await Promise.all(parts.map((part) => part.end()));
    const reports = await tell('none');
    return new Map(parts.map((part) => [part.name, part.outcome(reports, faulty)]));
  } finally {
    await Promise.all(parts.map((part) => part.close()));
    await tell('none');
    rmSync(folder, { recursive: true });
  }
};
