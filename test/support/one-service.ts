import { afterEach } from 'vitest';
import type { PolicyWords } from '../../sidecar/core/policy.ts';
import { broken, Code, type Status } from '../../sidecar/core/status.ts';
import type { Endpoint } from '../../sidecar/endpoints/endpoint.ts';
import { Pool } from '../../sidecar/endpoints/pool.ts';
import type { Health } from '../../sidecar/endpoints/probe.ts';
import type { ServiceGate } from '../../sidecar/endpoints/service-gate.ts';
import { breaker } from '../../sidecar/filters/breaker.ts';
import { answer, HeldReply, knowing, newAttempt, routedCall, run, service, settled } from './calls.ts';
import { type FakeLink, fakeDial } from './fake-link.ts';
import { type StillKit, stillKit } from './kit.ts';
import { always } from './policies.ts';

/** The gate of a service, with all that it is made of in the test's hand. */
export interface OneService {
  readonly kit: StillKit;
  readonly pool: Pool;
  readonly gate: ServiceGate;
  readonly endpoints: readonly Endpoint[];
  readonly links: FakeLink[];
  /** Whom a probe asked, in order, and what each is told. */
  readonly asked: string[];
  health: Health | Promise<Health>;
  /** A call that ends so at this endpoint; what its caller is told. */
  call(status: Status, at?: number): Promise<Status>;
  /** So many calls that fail, at one endpoint after the other. */
  fail(times: number): Promise<void>;
  /** A call that begins and is answered when the test says. */
  begin(): Promise<HeldReply>;
  tune(words: PolicyWords): void;
  pass(ms: number): Promise<void>;
  counted(name: string, ...labels: string[]): number;
}

/** How a call ends at an app that is not well. */
export const unwell: Status = {
  code: Code.UNAVAILABLE,
  message: 'not well',
  from: 'peer',
  reached: true,
};

/** How a test file makes services; each is closed after the test that made it, and must leave no timer. */
export const services = (): ((size: number, words?: PolicyWords, random?: () => number) => OneService) => {
  const made: OneService[] = [];
  afterEach(() => {
    for (const { pool, kit } of made.splice(0)) {
      pool.close('the test is over');
      if (kit.wheel.size > 0) throw new Error(`${kit.wheel.size} timers are left`);
    }
  });
  return (size, words = {}, random) => {
    const one = oneService(size, words, random);
    made.push(one);
    return one;
  };
};

const oneService = (size: number, words: PolicyWords, random?: () => number): OneService => {
  const kit = stillKit(random);
  const view = service('inventory', ...Array.from({ length: size }, (_, at) => `10.0.0.${at + 1}:1`));
  const { dial, links } = fakeDial();
  const asked: string[] = [];
  const pool = new Pool(kit, dial, ({ address }) => {
    asked.push(address.id);
    return Promise.resolve(one.health);
  });
  const tune = (said: PolicyWords): void => pool.follow({ ...knowing(view), policies: always(said) });
  tune(words);
  const endpoints = pool.endpoints(view);
  const gate = pool.breakers(view)!;
  const serve = breaker(kit, pool.breakers);
  const call = (status: Status, at = 0): Promise<Status> =>
    run(
      (each) =>
        serve(each, () => {
          const endpoint = endpoints[at]!;
          endpoint.judge(verdictOn(status), endpoint.epoch, status);
          return answer(status);
        }),
      routedCall(kit.clock, view),
    );
  const one: OneService = {
    kit,
    pool,
    gate,
    endpoints,
    links,
    asked,
    health: 'failing',
    call,
    async fail(times) {
      for (let at = 0; at < times; at++) await call(unwell, at % size);
    },
    async begin() {
      const routed = routedCall(kit.clock, view);
      const held = new HeldReply(routed.call.life);
      await serve(routed, () => Promise.resolve(held));
      return held;
    },
    tune,
    async pass(ms) {
      for (let gone = 0; gone < ms; gone += 100) {
        kit.pass(100);
        await settled();
      }
    },
    counted: (name, ...labels) => kit.meter.count(name, 'inventory', ...labels).value,
  };
  return one;
};

const verdictOn = ({ code }: Status): 'success' | 'failure' => (code === Code.OK ? 'success' : 'failure');

/** Lets every dial of these endpoints fail, as when nobody listens there. */
export const refuseDials = ({ kit, endpoints, links }: OneService): void => {
  for (const endpoint of endpoints) {
    void run((each) => endpoint.send(each), newAttempt(kit.clock, endpoint));
    links.at(-1)!.break('connect ECONNREFUSED');
  }
};

/** How a call ends where nobody listens. */
export const nobody: Status = broken('cannot reach it', false);
