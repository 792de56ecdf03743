/**
 * `npm run bench -- --filters`: what each filter of the outbound stack costs a call, by taking it away. The stack runs in
 * this process on endpoints that answer at once, so that nothing but the stack is there to be paid for.
 */
import { emptyBody } from '../sidecar/core/body.ts';
import { type Attempt, Call, noWords, type RoutedCall } from '../sidecar/core/call.ts';
import { Cell } from '../sidecar/core/cell.ts';
import type { Address } from '../sidecar/core/endpoint.ts';
import type { Service } from '../sidecar/core/filter.ts';
import type { Kit } from '../sidecar/core/kit.ts';
import { Life } from '../sidecar/core/life.ts';
import type { Dial, Link } from '../sidecar/core/link.ts';
import { silent } from '../sidecar/core/log.ts';
import { unruled } from '../sidecar/core/policy.ts';
import type { Reply } from '../sidecar/core/reply.ts';
import { noRoutes } from '../sidecar/core/routes.ts';
import type { Snapshot } from '../sidecar/core/snapshot.ts';
import { type AnyFilter, chained } from '../sidecar/core/stack.ts';
import { ok } from '../sidecar/core/status.ts';
import { Pool } from '../sidecar/endpoints/pool.ts';
import { realKit } from '../sidecar/real-kit.ts';
import { outbound } from '../sidecar/stack.ts';
import { spread } from './results.ts';

const atOnce = 32;
const callsEach = 100_000;
const rounds = 7;

/** A filter, and the CPU that a call costs less without it. */
export interface FilterCost {
  readonly name: string;
  /** Nanoseconds a call, the median of the rounds. */
  readonly ns: number;
}

const answered: Reply = {
  head: ['content-type', 'application/grpc'],
  over: null,
  trailers: [],
  status: Promise.resolve(ok),
  attach: (sink) => sink.finish(ok, []),
  taken: () => {},
  discard: () => {},
};

/** A connection whose peer answers every call at once. */
const dial: Dial = (_address, events) => {
  const link: Link = {
    state: 'ready',
    active: 0,
    room: 100,
    send: () => Promise.resolve(answered),
    drain: () => {},
    close: (reason) => events.closed(reason),
  };
  setImmediate(() => events.ready());
  return link;
};

const addresses: Address[] = [1, 2, 3].map((at) => ({
  id: `10.0.0.${at}:1`,
  host: `10.0.0.${at}`,
  port: 1,
  service: 'inventory',
}));
const inventory = { name: 'inventory', endpoints: addresses, origin: 'static' };
const snapshot: Snapshot = Object.freeze({
  version: 1,
  madeAt: 0,
  services: new Map([['inventory', inventory]]),
  asked: new Map(),
  access: { intentions: [], allowByDefault: true, because: 'of the bench' },
  flags: new Map(),
  flagSet: null,
  flagFaults: [],
  policies: unruled(),
  ...noRoutes,
});

/** What stands in for a filter that turns one kind of call into another: the answer that it would come to anyway. */
const standIns = (pool: Pool): ReadonlyMap<string, AnyFilter> => {
  const [endpoint] = pool.endpoints(inventory);
  const route: AnyFilter = (call: Call, next: Service<RoutedCall>) =>
    next({ call, service: inventory, met: [] });
  const balance: AnyFilter = ({ call }: RoutedCall, next: Service<Attempt>) =>
    next({ call, endpoint: endpoint!, begunAt: call.arrival.arrivedAt, previous: 0 });
  return new Map([
    ['route', route],
    ['balance', balance],
  ]);
};

const call = ({ clock }: Kit, number: number): Call => {
  const now = clock.now();
  return new Call({
    method: '/shop.Inventory/Get',
    authority: 'inventory',
    port: '',
    words: {
      ...noWords,
      requestId: `bench-${number}`,
      traceparent: `00-11111111111111111111111${String(number).padStart(9, '0')}-2222222222222222-00`,
      timeout: `${1_000_000 + (number % 1_000_000)}u`,
    },
    metadata: ['content-type', 'application/grpc'],
    never: null,
    caller: '',
    arrivedAt: now,
    body: emptyBody,
    life: new Life(now),
    snapshot,
  });
};

const one = async (kit: Kit, serve: Service<Call>, number: number): Promise<void> => {
  const made = call(kit, number);
  const reply = await serve(made);
  reply.attach({ relay: () => {}, finish: (status) => made.life.settle(status) });
};

/** CPU of one call, nanoseconds. */
const measure = async (kit: Kit, serve: Service<Call>): Promise<number> => {
  const before = process.cpuUsage();
  for (let number = 0; number < callsEach; number += atOnce) {
    const batch: Promise<void>[] = [];
    for (let at = 0; at < atOnce; at++) batch.push(one(kit, serve, number + at));
    await Promise.all(batch);
  }
  const { user, system } = process.cpuUsage(before);
  return ((user + system) * 1000) / callsEach;
};

/** The whole stack first, then each filter, dearest first. */
export const filterCosts = async (): Promise<readonly FilterCost[]> => {
  const kit = realKit(silent);
  const pool = new Pool(kit, dial, async () => 'unknown');
  pool.follow(snapshot);
  const { endpoints, breakers, near } = pool;
  const discovery = { want: () => {}, describe: () => 'in the bench' };
  const { filters } = outbound(kit, {
    snapshots: new Cell(snapshot),
    discovery,
    endpoints,
    breakers,
    near,
  });
  const standing = standIns(pool);
  const close = (some: readonly AnyFilter[]): Service<Call> =>
    chained(some, (attempt: Attempt) => attempt.endpoint.send(attempt));
  const without = (name: string): Service<Call> =>
    close(
      filters.flatMap((each) => {
        if (each.name !== name) return [each];
        const standIn = standing.get(name);
        return standIn === undefined ? [] : [standIn];
      }),
    );
  const whole = close(filters);
  const variants = filters.map(({ name }) => ({ name, serve: without(name), saved: [] as number[] }));
  const all: number[] = [];
  await measure(kit, whole);
  for (const { serve } of variants) await measure(kit, serve);
  for (let round = 0; round < rounds; round++) {
    for (const { serve, saved } of variants) {
      const full = await measure(kit, whole);
      all.push(full);
      saved.push(full - (await measure(kit, serve)));
    }
  }
  pool.close('the bench is over');
  const costs = variants.map(({ name, saved }) => ({ name, ns: spread(saved)!.median }));
  return [
    { name: 'the whole stack', ns: spread(all)!.median },
    ...costs.sort((one, other) => other.ns - one.ns),
  ];
};

/** As a table. */
export const filterTable = (costs: readonly FilterCost[]): string =>
  costs.map(({ name, ns }) => `  ${name.padEnd(16)}${ns.toFixed(0).padStart(6)} ns`).join('\n');
