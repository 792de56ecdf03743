import type { ChildProcess } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import type { Log } from '../core/log.ts';
import { readHostPort, readSocketPath } from '../settings/address.ts';
import type { Origin } from '../settings/load.ts';
import type { Settings } from '../settings/settings.ts';
import { type SidecarProcess, spawnBeside, tryProcess } from './sidecar-process.ts';
import type { StartedSidecar } from './started.ts';

/** What a sidecar in a process of its own is started with, beside its settings. */
export interface SupervisionOptions {
  readonly log: Log;
  readonly origin: Origin;
  /** The settings as they are now, for a start after the first; absent where no file can have changed. */
  readonly load?: (() => Promise<Settings>) | undefined;
  /** A process that waits for its settings. Default: this program once more. */
  readonly spawn?: () => ChildProcess;
  /** Milliseconds before the next start, after so many ends in a row. */
  readonly pauseMs?: (ends: number) => number;
}

/** A sidecar that lived so long, in milliseconds, did not end because of how it was started. */
const calmMs = 60_000;
const longestPauseMs = 10_000;

/** The first start comes at once, so that an app misses its sidecar for as long as a start takes. */
const growing = (ends: number): number => (ends === 1 ? 0 : Math.min(longestPauseMs, 125 * 2 ** ends));

/**
 * Starts a sidecar in a process of its own and starts it again, on the same ports, whenever it ends unasked: the app
 * beside it is not touched. Rejects with the reason when the first start fails, because what cannot start at all
 * would not start the next time either. Later ones are tried for as long as the app lives.
 */
export const startSupervised = async (
  settings: Settings,
  options: SupervisionOptions,
): Promise<StartedSidecar> => {
  const { spawn = spawnBeside, origin } = options;
  const first = tryProcess(spawn, settings, origin);
  try {
    const ports = await first.listening;
    options.log.info({ pid: first.pid, ...ports }, 'the sidecar listens');
    return new Supervised(first, ports, onPorts(settings, ports), { ...options, spawn });
  } catch (error) {
    await first.close();
    throw error;
  }
};

class Supervised implements StartedSidecar {
  readonly ports: StartedSidecar['ports'];
  readonly ready: Promise<void>;
  readonly #options: SupervisionOptions & { readonly spawn: () => ChildProcess };
  readonly #stop: AbortController = new AbortController();
  /** The last that were good. */
  #settings: Settings;
  /** Null between an end and the next start. */
  #current: SidecarProcess | null;
  #ready!: () => void;
  #neverReady!: (why: Error) => void;

  constructor(
    first: SidecarProcess,
    ports: StartedSidecar['ports'],
    settings: Settings,
    options: SupervisionOptions & { readonly spawn: () => ChildProcess },
  ) {
    this.#current = first;
    this.ports = ports;
    this.#settings = settings;
    this.#options = options;
    this.ready = new Promise((resolve, reject) => {
      this.#ready = resolve;
      this.#neverReady = reject;
    });
    this.ready.catch(() => {});
    first.ready.then(this.#ready, this.#neverReady);
    void this.#supervise(first);
  }

  async notReady(): Promise<readonly string[]> {
    return this.#current?.notReady() ?? ['the sidecar ended and is started again'];
  }

  async drain(): Promise<void> {
    this.#stop.abort();
    await this.#current?.drain();
  }

  async appGone(): Promise<void> {
    // Who supervises a sidecar sees the end of the app itself.
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#current?.close();
  }

  async #supervise(first: SidecarProcess): Promise<void> {
    const { log, pauseMs = growing } = this.#options;
    const { signal } = this.#stop;
    let process = first;
    let began = performance.now();
    for (let ends = 1; ; ends++) {
      const how = await process.ended;
      this.#current = null;
      if (signal.aborted) return;
      if (performance.now() - began > calmMs) ends = 1;
      const againMs = pauseMs(ends);
      log.error({ pid: process.pid, ended: how, againMs }, 'the sidecar ended: it is started again');
      await pause(againMs, undefined, { signal }).catch(() => {});
      await this.#reload();
      if (signal.aborted) return;
      began = performance.now();
      process = this.#again();
    }
  }

  #again(): SidecarProcess {
    const { log, origin, spawn } = this.#options;
    const next = tryProcess(spawn, this.#settings, origin);
    this.#current = next;
    next.ready.then(this.#ready, this.#neverReady);
    next.listening.then(
      (ports) => log.info({ pid: next.pid, ...ports }, 'the sidecar listens again'),
      (error: Error) =>
        log.error({ pid: next.pid, cause: error.message }, 'the sidecar could not start again'),
    );
    return next;
  }

  /** Whoever mended the file while the sidecar was down meant it; whoever broke it did not mean that. */
  async #reload(): Promise<void> {
    const { load, log } = this.#options;
    if (load === undefined) return;
    try {
      this.#settings = onPorts(await load(), this.ports);
    } catch (error) {
      log.warn({ error }, 'the settings cannot be used: the sidecar starts with those that it had');
    }
  }
}

/** The same settings with listeners where they were: the app was told once, and peers know no other place. */
const onPorts = (settings: Settings, ports: StartedSidecar['ports']): Settings => {
  const bound = Object.entries(ports).flatMap(([name, text]: [string, string | null]) => {
    const place = text === null ? null : (readSocketPath(text) ?? readHostPort(text));
    return place === null ? [] : [[name, place]];
  });
  return { ...settings, listen: { ...settings.listen, ...Object.fromEntries(bound) } };
};
