import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { drive } from '../../support/drive.ts';
import { type ChainAgent, chainAgent } from './chain-agent.ts';

let one: ChainAgent;
beforeEach(async () => {
  one = await chainAgent();
});
afterEach(async () => {
  await one.close();
  expect(one.kit.wheel.size).toBe(0);
});

const known = (name: string): boolean => one.slice().asked!.has(name);

describe('names that are watched', () => {
  it('are 200 at most: the one that was called the longest ago makes room', async () => {
    const names = Array.from({ length: 201 }, (_, at) => `s${at}`);
    for (const name of names) one.hosts[name] = ['10.0.0.1'];
    for (const name of names.slice(0, 200)) {
      one.source.want(name);
      one.kit.pass(5);
      // Unseen names are far fewer: each must be answered before the next ones come.
      await drive(one.kit, name, () => known(name));
    }
    one.source.want('s0');
    one.source.heed!((service) => service === 's1');
    one.source.want('s200');
    await drive(one.kit, 'the newcomer', () => known('s200'));
    expect([known('s0'), known('s1'), known('s2'), known('s3')]).toEqual([true, true, false, true]);
    expect(one.slice().asked!.size).toBe(200);
    expect(one.kit.meter.count('outrigger_watches_dropped_total').value).toBe(1);
  });

  it('are given up ten minutes after the last call, but not while a stream goes on', async () => {
    for (const name of ['called', 'idle', 'streams']) {
      one.hosts[name] = ['10.0.0.1'];
      one.source.want(name);
      await drive(one.kit, name, () => known(name));
    }
    one.source.heed!((service) => service === 'streams');
    const begun = one.kit.clock.now();
    let last = begun;
    await drive(
      one.kit,
      'oblivion',
      () => {
        if (one.kit.clock.now() - last >= 10_000) {
          last = one.kit.clock.now();
          one.source.want('called');
        }
        return !known('idle');
      },
      900_000,
    );
    const minutes = (one.kit.clock.now() - begun) / 60_000;
    expect(minutes).toBeGreaterThan(10);
    expect(minutes).toBeLessThan(11.1);
    expect([known('called'), known('streams')]).toEqual([true, true]);
    // Its questions have ended: nobody asks about it any more.
    one.agent.seen.length = 0;
    one.changed();
    await drive(one.kit, 'other questions', () => one.agent.seen.length >= 2);
    expect(one.agent.seen.some(({ path }) => path.endsWith('/idle'))).toBe(false);
  });

  it('are kept however long while Consul does not answer for them', async () => {
    one.hosts['web'] = ['10.0.0.1'];
    one.source.want('web');
    await drive(one.kit, 'web', () => known('web'));
    one.broken.add('web');
    one.changed();
    await drive(one.kit, 'trouble', () => one.source.trouble() !== null);
    expect(one.source.away?.()).toBe(true); // the only name
    one.source.want('called');
    await drive(one.kit, 'another name', () => known('called'));
    expect([one.source.away?.(), one.source.trouble() !== null]).toEqual([false, true]);
    const begun = one.kit.clock.now();
    await drive(one.kit, 'a quarter of an hour', () => one.kit.clock.now() - begun > 900_000, 1_000_000);
    expect(
      one
        .slice()
        .services!.get('web')!
        .endpoints.map(({ host }) => host),
    ).toEqual(['10.0.0.1']);
    one.broken.delete('web');
    await drive(one.kit, 'oblivion', () => !known('web'), 200_000);
  });
});
