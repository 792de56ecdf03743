import { emptyBody } from '../../sidecar/core/body.ts';
import { type Attempt, Call, noWords } from '../../sidecar/core/call.ts';
import type { Cell } from '../../sidecar/core/cell.ts';
import type { Service } from '../../sidecar/core/filter.ts';
import type { Kit } from '../../sidecar/core/kit.ts';
import { Life } from '../../sidecar/core/life.ts';
import type { Dial } from '../../sidecar/core/link.ts';
import type { LogFields } from '../../sidecar/core/log.ts';
import { silent } from '../../sidecar/core/log.ts';
import { Meter } from '../../sidecar/core/meter.ts';
import type { Reply, ReplySink } from '../../sidecar/core/reply.ts';
import type { Discovery, Snapshot } from '../../sidecar/core/snapshot.ts';
import { Code, ended, type Status } from '../../sidecar/core/status.ts';
import { Pool } from '../../sidecar/endpoints/pool.ts';
import { healthProbe } from '../../sidecar/endpoints/probe.ts';
import { outbound } from '../../sidecar/stack.ts';
import { metrics } from '../../sidecar/telemetry/metrics.ts';
import type { Chance } from './chance.ts';
import type { CallRecord, Ejection } from './run.ts';
import type { VirtualTime } from './time.ts';

/** What a simulated sidecar stands in. */
export interface World {
  readonly time: VirtualTime;
  readonly snapshots: Cell<Snapshot>;
  readonly dial: Dial;
  /** Where calls and ejections are written down. */
  readonly calls: CallRecord[];
  readonly ejections: Ejection[];
}

/** What an app asks its sidecar for. */
export interface Request {
  readonly service: string;
  readonly method: string;
  /** Null: no deadline. */
  readonly timeoutMs: number | null;
}

const nobodyAsks: Discovery = { want: () => {}, describe: () => 'in the simulation' };

/** A life that knows where its call is written down. */
class NotedLife extends Life {
  readonly record: CallRecord;

  constructor(now: number, record: CallRecord) {
    super(now);
    this.record = record;
  }
}

/**
 * SimulatedSidecar is the real way out of a sidecar, stack and pool, whose network and time are simulated. It plays
 * the listener too: it makes the calls, reads the replies and ends each life.
 */
export class SimulatedSidecar {
  readonly name: string;
  readonly #world: World;
  readonly #pool: Pool;
  readonly #serve: Service<Call>;
  readonly #out: Map<string, Ejection> = new Map();
  #made = 0;

  constructor(name: string, world: World, random: Chance) {
    this.name = name;
    this.#world = world;
    const { time, snapshots } = world;
    const log = { ...silent, info: this.#heard, warn: this.#heard };
    const kit: Kit = { clock: time, wheel: time.wheel, random, log, meter: new Meter(metrics) };
    this.#pool = new Pool(kit, world.dial, healthProbe(kit, 1000, plainHex));
    this.#pool.follow(snapshots.value);
    snapshots.listen((newer) => this.#pool.follow(newer));
    const { endpoints, breakers, near } = this.#pool;
    const parts = { snapshots, discovery: nobodyAsks, endpoints, breakers, near };
    this.#serve = outbound(kit, parts).to((attempt) => this.#send(attempt));
  }

  /** Makes a call; `done` hears how it ended. The answer can cancel it. */
  call({ service, method, timeoutMs }: Request, done: (status: Status) => void = () => {}): Life {
    const { time, snapshots, calls } = this.#world;
    const now = time.now();
    const record: CallRecord = {
      caller: this.name,
      service,
      method,
      atMs: now,
      tookMs: 0,
      status: null,
      attempts: [],
    };
    calls.push(record);
    const life = new NotedLife(now, record);
    const timeout = timeoutMs === null ? '' : `${Math.max(0, Math.round(timeoutMs * 1000))}u`;
    const call = new Call({
      method,
      authority: service,
      port: '',
      words: { ...words, requestId: `${this.name}-${this.#made++}`, timeout },
      metadata: ['content-type', 'application/grpc'],
      never: null,
      caller: '',
      arrivedAt: now,
      body: emptyBody,
      life,
      snapshot: snapshots.value,
    });
    life.witness({
      earlier: null,
      over: (status) => {
        record.status = status;
        record.tookMs = time.now() - record.atMs;
        done(status);
      },
    });
    this.#serve(call).then(
      (reply) => reply.attach(new Reader(life, reply)),
      (bug) => life.settle(ended(Code.INTERNAL, `a bug: ${bug}`)),
    );
    return life;
  }

  close(): void {
    this.#pool.close('the run is over');
  }

  #send(attempt: Attempt): Promise<Reply> {
    (attempt.call.life as NotedLife).record.attempts.push(attempt.endpoint.address.id);
    return attempt.endpoint.send(attempt);
  }

  /** Gates tell of themselves in the log alone. */
  readonly #heard = ({ endpoint, state }: LogFields): void => {
    if (typeof endpoint !== 'string') return;
    const out = this.#out.get(endpoint);
    if (state === 'shut' && out === undefined) {
      const ejection = {
        caller: this.name,
        endpoint,
        fromMs: this.#world.time.now(),
        toMs: Number.POSITIVE_INFINITY,
      };
      this.#out.set(endpoint, ejection);
      this.#world.ejections.push(ejection);
    } else if (state === 'open' && out !== undefined) {
      out.toMs = this.#world.time.now();
      this.#out.delete(endpoint);
    }
  };
}

/** Reads a reply to its end, as a listener does for its app. */
class Reader implements ReplySink {
  readonly #life: Life;
  readonly #reply: Reply;

  constructor(life: Life, reply: Reply) {
    this.#life = life;
    this.#reply = reply;
  }

  relay(_: Uint8Array, start: number, end: number): void {
    this.#reply.taken(end - start);
  }

  finish(status: Status): void {
    this.#life.settle(status);
  }
}

/** Clean already, so that nobody makes ids by a chance that is not the run's. */
const words = Object.freeze({
  ...noWords,
  traceparent: '00-11111111111111111111111111111111-2222222222222222-00',
});

const plainHex = (bytes: number): string => '1'.repeat(2 * bytes);
