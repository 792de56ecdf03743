import * as grpc from '@grpc/grpc-js';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import type { Sabotage } from '../../sidecar/sabotage.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { certificates } from './certificates.ts';
import { EchoClient } from './echo-client.ts';
import { echoDefinition } from './echo-methods.ts';
import type { SettingsWords } from './sidecars.ts';

/** What one app of the chain does with a call before it calls the next. */
export interface Stop {
  /** Milliseconds that it sleeps first. */
  readonly sleepMs?: number;
  /** It answers then, and calls nobody; without it the last of the chain works until it is told to stop. */
  readonly answers?: boolean;
  /** It passes `baggage` on to those whom it calls, as well-behaved apps do. */
  readonly forwards?: boolean;
  /** Addresses under which its sidecar looks for the next service, in the place of the true one. */
  readonly next?: readonly string[];
  /** Laid over its sidecar's settings. */
  readonly words?: SettingsWords;
}

/** What an app of the chain has seen, in monotonic milliseconds. */
export interface Visit {
  readonly arrivedAt: number;
  /** Left on arrival; Infinity without a deadline. */
  readonly leftMs: number;
  /** When its call ended for it: by cancellation or with an answer; null while it works. */
  stoppedAt: number | null;
}

/** Services `hop1`, `hop2`, … each an app with its sidecar, each calling the next; the last never answers. */
export interface Chain {
  /** Of `web`, whose sidecar stands before `hop1`. */
  readonly client: EchoClient;
  readonly web: Sidecar;
  readonly sidecars: readonly Sidecar[];
  /** By hop, the calls that came. */
  readonly visits: readonly Visit[][];
  /** Set to a code: whoever answers says that. */
  failing: grpc.status | null;
  close(): Promise<void>;
}

const free = { app: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' } as const;

/** Starts it, the last hop first. `sabotage` is of every sidecar, `words` are laid over the settings of `web`. */
export const chain = async (
  stops: readonly Stop[],
  sabotage: readonly Sabotage[] = [],
  words: SettingsWords = {},
): Promise<Chain> => {
  const made = await certificates();
  const closing: (() => unknown)[] = [() => made.close()];
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).reverse()) await each();
  };
  const join = async (name: string, settings: SettingsWords, words: SettingsWords = {}): Promise<Sidecar> => {
    const text = JSON.stringify({
      service: { name },
      listen: free,
      identity: { files: await made.write(name) },
      ...settings,
    });
    const loaded = readSettings(text, 'chain.yaml', made.directory, { overlay: words });
    const sidecar = await startSidecar(loaded.settings, { sabotage: new Set(sabotage) });
    closing.push(() => sidecar.close());
    await sidecar.ready;
    return sidecar;
  };
  const knowing = (services: Readonly<Record<string, readonly string[]>>) => ({
    discovery: { static: { services } },
  });
  const visits: Visit[][] = stops.map(() => []);
  const sidecars: Sidecar[] = [];
  const mood: Mood = { failing: null };
  try {
    let next: Readonly<Record<string, readonly string[]>> = {};
    for (let hop = stops.length; hop >= 1; hop--) {
      const stop = stops[hop - 1]!;
      const app = new ChainApp(stop, `hop${hop + 1}`, visits[hop - 1]!, mood);
      closing.push(() => app.close());
      const name = `hop${hop}`;
      const settings = {
        service: { name, port: await app.open() },
        listen: { ...free, peers: '127.0.0.1:0' },
        ...knowing(stop.next === undefined ? next : { [`hop${hop + 1}`]: stop.next }),
      };
      const sidecar = await join(name, settings, stop.words);
      if (hop < stops.length || stop.next !== undefined) app.callThrough(sidecar.ports.app);
      sidecars.unshift(sidecar);
      next = { [name]: [sidecar.ports.peers!] };
    }
    const web = await join('web', knowing(next), words);
    const client = new EchoClient(web.ports.app, { 'grpc.default_authority': 'hop1' });
    closing.push(() => client.close());
    return Object.assign(mood, { client, web, sidecars, visits, close });
  } catch (thrown) {
    await close();
    throw thrown;
  }
};

/** How the last app of a chain is. */
interface Mood {
  failing: grpc.status | null;
}

type Asked = grpc.ServerUnaryCall<Buffer, Buffer>;

/** Sleeps, then calls the next with what is left of the time and the id that came, as well-behaved apps do. */
class ChainApp {
  readonly #server = new grpc.Server();
  readonly #stop: Stop;
  readonly #nextName: string;
  readonly #visits: Visit[];
  readonly #mood: Mood;
  #next: EchoClient | null = null;

  constructor(stop: Stop, nextName: string, visits: Visit[], mood: Mood) {
    this.#mood = mood;
    this.#stop = stop;
    this.#nextName = nextName;
    this.#visits = visits;
    const { Unary } = echoDefinition();
    this.#server.addService(
      { Unary: Unary! },
      {
        Unary: (call: Asked, answer: grpc.sendUnaryData<Buffer>) => void this.#serve(call, answer),
      },
    );
  }

  open(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    );
  }

  callThrough(sidecar: string): void {
    this.#next = new EchoClient(sidecar, { 'grpc.default_authority': this.#nextName });
  }

  close(): void {
    this.#next?.close();
    this.#server.forceShutdown();
  }

  async #serve(call: Asked, answer: grpc.sendUnaryData<Buffer>): Promise<void> {
    const deadline = call.getDeadline();
    const visit: Visit = {
      arrivedAt: performance.now(),
      leftMs: Number(deadline) - Date.now(),
      stoppedAt: null,
    };
    this.#visits.push(visit);
    const stopped = (): void => {
      visit.stoppedAt ??= performance.now();
    };
    let wake = (): void => {};
    const timer = setTimeout(() => wake(), this.#stop.sleepMs ?? 0);
    call.on('cancelled', () => {
      stopped();
      clearTimeout(timer);
      wake();
    });
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
    if (this.#stop.answers) {
      stopped();
      const { failing } = this.#mood;
      return failing === null
        ? answer(null, call.request)
        : answer({ code: failing, details: 'told to fail' });
    }
    if (call.cancelled || this.#next === null) return;
    const id = String(call.metadata.get('x-request-id')[0]);
    const baggage = this.#stop.forwards ? call.metadata.get('baggage') : [];
    const { call: onward, ended } = this.#next.begin('Unary', call.request, {
      metadata: [['x-request-id', id], ...baggage.map((each): [string, string] => ['baggage', String(each)])],
      ...(deadline !== Number.POSITIVE_INFINITY && { deadlineMs: Number(deadline) - Date.now() }),
    });
    call.on('cancelled', () => onward.cancel());
    const { code, message, answer: octets } = await ended;
    stopped();
    if (code === grpc.status.OK) answer(null, octets);
    else answer({ code, details: message });
  }
}
