import { describe, expect, it } from 'vitest';
import { Code } from '../../sidecar/core/status.ts';
import { chance } from './chance.ts';
import {
  begunIn,
  constant,
  echoOnLoopback,
  type Fault,
  failed,
  lognormal,
  type Run,
  recorded,
  simulate,
} from './index.ts';

const wrong = { fromMs: 1000, toMs: 3000 };

const oneOfThree = (fault: Fault | null, seed = 1, timeoutMs = 1000): Promise<Run> => {
  const services = { inventory: { instances: 3, latency: lognormal(5, 20) } };
  // By load alone, so that the faulty one gets its share until it is ejected.
  const lab = simulate({ seed, callers: 2, services, policy: { balance: 'two-choices' } });
  if (fault !== null) lab.faulty('inventory', 1, fault, wrong);
  lab.load({ perSecond: 100, forMs: 5000, timeoutMs });
  return lab.run();
};

const codes = ({ calls }: Run): (number | undefined)[] => [
  ...new Set(failed(calls).map(({ status }) => status?.code)),
];

describe('the lab', () => {
  it('runs the same for the same seed, and otherwise for another', async () => {
    const [one, same, other] = [
      await oneOfThree('random', 7),
      await oneOfThree('random', 7),
      await oneOfThree('random', 8),
    ];
    expect(same).toEqual(one);
    expect(other.calls).not.toEqual(one.calls);
  });

  it('runs the same beside another run', async () => {
    const [one, same] = await Promise.all([oneOfThree('random', 7), oneOfThree('random', 7)]);
    expect(same).toEqual(one);
  });

  it('takes well under a second for 12,000 calls of 30 s', async () => {
    const lab = simulate({ seed: 1, callers: 2, services: { inventory: { instances: 3 } } });
    lab.faulty('inventory', 1, 'random', { fromMs: 1000 });
    lab.load({ perSecond: 200, forMs: 30_000 });
    const begin = process.cpuUsage();
    const { calls } = await lab.run();
    const { user, system } = process.cpuUsage(begin);
    expect(calls.length).toBeGreaterThan(11_000);
    expect((user + system) / 1000).toBeLessThan(1000); // of the processor: others may be busy beside us
  });

  it('loses no call where nothing is wrong, and nothing is ejected', async () => {
    const run = await oneOfThree(null);
    expect(failed(run.calls)).toEqual([]);
    expect(run.ejections).toEqual([]);
    expect(run.calls.every(({ attempts }) => attempts.length === 1)).toBe(true);
    expect(Math.min(...run.reached.values())).toBeGreaterThan(250);
  });

  it.each<Fault>(['unavailable', 'random', 'slow', 'hang', 'reset', 'refuse', 'dead', 'frozen', 'goaway'])(
    'comes out even when one is %s, and leaves nothing behind',
    async (fault) => {
      const { sum, calls, reached } = await oneOfThree(fault);
      expect(sum.finished + sum.cancelled).toBe(sum.started);
      expect(sum.timers).toBe(0);
      expect(failed(begunIn(calls, 0, wrong.fromMs - 100))).toEqual([]);
      expect(reached.get('inventory-1:50051')).toBeGreaterThan(100);
    },
  );

  it('lets faults look as they do', async () => {
    expect(codes(await oneOfThree('unavailable'))).toEqual([Code.UNAVAILABLE]);
    expect(codes(await oneOfThree('reset'))).toEqual([Code.INTERNAL]);
    expect(codes(await oneOfThree('hang'))).toEqual([Code.DEADLINE_EXCEEDED]);
    expect(codes(await oneOfThree('slow', 1, 300))).toEqual([Code.DEADLINE_EXCEEDED]);
    expect(codes(await oneOfThree('slow'))).toEqual([]);
    expect(codes(await oneOfThree('goaway'))).toEqual([]);
    expect(codes(await oneOfThree('refuse'))).toEqual([]);
  });

  it('says who was ejected when', async () => {
    const { ejections } = await oneOfThree('unavailable');
    expect(ejections.map(({ caller, endpoint }) => `${caller} ${endpoint}`).sort()).toEqual([
      'caller-1 inventory-1:50051',
      'caller-2 inventory-1:50051',
    ]);
    for (const { fromMs, toMs } of ejections) {
      expect(fromMs).toBeGreaterThan(wrong.fromMs);
      expect(fromMs).toBeLessThan(wrong.fromMs + 500);
      expect(toMs).toBeGreaterThan(wrong.toMs);
      expect(toMs).toBeLessThan(wrong.toMs + 1500);
    }
  });

  it('sends nobody to an instance that is away', async () => {
    const lab = simulate({ seed: 1, services: { inventory: { instances: 2 } } });
    lab.away('inventory', 0, { fromMs: 1000, toMs: 2000 });
    lab.load({ perSecond: 100, forMs: 3000 });
    const { calls } = await lab.run();
    expect(failed(calls)).toEqual([]);
    const met = (fromMs: number, toMs: number): number =>
      new Set(begunIn(calls, fromMs, toMs).flatMap(({ attempts }) => attempts)).size;
    expect([met(0, 1000), met(1000, 2000), met(2000, 3000)]).toEqual([2, 1, 2]);
  });

  it('lets calls wait where an app is busy', async () => {
    const lab = simulate({
      seed: 1,
      services: { inventory: { instances: 1, latency: constant(100), capacity: 1 } },
    });
    lab.load({ perSecond: 50, forMs: 1000 });
    const { calls, reached } = await lab.run();
    const done = calls.filter(({ status }) => status?.code === Code.OK);
    expect(done.length).toBeLessThanOrEqual(20); // ten a second, and a second for those that wait
    expect(reached.get('inventory-0:50051')).toBe(calls.length);
  });
});

describe('a latency', () => {
  const sorted = (latency: ReturnType<typeof constant>): number[] => {
    const random = chance(1, 'latencies');
    return Array.from({ length: 20_000 }, () => latency(random)).sort((one, other) => one - other);
  };

  it('that is made has the median and the p99 that were asked for', () => {
    const times = sorted(lognormal(5, 20));
    expect(Math.abs(times[10_000]! - 5)).toBeLessThan(0.2);
    expect(Math.abs(times[19_800]! - 20)).toBeLessThan(1.5);
  });

  it('that was recorded comes back as it was', () => {
    const times = sorted(recorded(echoOnLoopback));
    expect(times[0]).toBeGreaterThanOrEqual(echoOnLoopback[0]!);
    expect(times[19_999]).toBeLessThanOrEqual(echoOnLoopback.at(-1)!);
    expect(Math.abs(times[10_000]! / echoOnLoopback[50]! - 1)).toBeLessThan(0.1);
  });
});
