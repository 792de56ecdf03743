import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readSlice, writeSlice } from '../../../sidecar/state/plain.ts';
import { grpcServices } from '../../support/chains.ts';
import { breathe, drive } from '../../support/drive.ts';
import { type ChainAgent, chainAgent } from './chain-agent.ts';

let one: ChainAgent;
beforeEach(async () => {
  one = await chainAgent();
});
afterEach(async () => {
  await one.close();
  expect(one.kit.wheel.size).toBe(0);
});

const split = (next: number) => [
  ...grpcServices('web', 'next', 'spare'),
  {
    Kind: 'service-splitter',
    Name: 'web',
    Splits: [{ Weight: 100 - next }, { Weight: next, Service: 'next' }],
  },
];
const weights = (): number[] => {
  const table = one.slice().routes?.get('web');
  return table?.rules.flatMap(({ legs }) => legs.map(({ weight }) => weight)) ?? [];
};
const targets = (): string[] => [...one.slice().targets!.keys()];
const settled = (name = 'web') => drive(one.kit, 'an answer', () => one.slice().asked!.has(name));

describe('the source consul', () => {
  it('asks two questions about a name without entries, and knows its service', async () => {
    one.hosts['web'] = ['10.0.0.1'];
    one.source.want('web');
    await settled();
    expect(
      one
        .slice()
        .services!.get('web')!
        .endpoints.map(({ id }) => id),
    ).toEqual(['10.0.0.1:15002']);
    expect([...one.slice().routes!]).toEqual([['web', null]]);
    expect([targets(), [...one.slice().unheeded!], one.slice().policies]).toEqual([[], [], undefined]);
    await drive(one.kit, 'both to hang', () => one.agent.seen.length === 4);
    expect([one.asked('/discovery-chain/web'), one.asked('/connect/web')]).toEqual([1, 1]);
  });

  it('watches the targets that a chain leads to, each once for all chains, and not those it does not', async () => {
    one.entries = [
      ...split(10),
      { Kind: 'service-resolver', Name: 'shop', Redirect: { Service: 'next' } },
      ...grpcServices('shop'),
    ];
    one.hosts['web'] = ['10.0.0.1'];
    one.hosts['next'] = ['10.0.0.2'];
    one.source.want('web');
    one.source.want('shop');
    await settled('web');
    await settled('shop');
    expect(targets()).toEqual(['web', 'next']);
    expect([...one.slice().services!.keys()]).toEqual([]);
    expect(one.asked('/connect/next')).toBe(1);
    expect(one.source.describe('web')).toContain('which leads to web (1), next (1)');
  });

  it('asks for a subset by its filter, for another datacenter by its name', async () => {
    one.entries = [
      {
        Kind: 'service-resolver',
        Name: 'web',
        DefaultSubset: 'v1',
        Subsets: { v1: { Filter: 'Service.Meta.version == 1' } },
        Failover: { '*': { Datacenters: ['dc2'] } },
      },
    ];
    one.hosts['web?Service.Meta.version == 1'] = ['10.0.0.1'];
    one.source.want('web');
    await settled();
    const asked = one.agent.seen.filter(
      ({ path, query }) => path.endsWith('/connect/web') && !query.has('index'),
    );
    expect(asked.map(({ query }) => [query.get('passing'), query.get('filter'), query.get('dc')])).toEqual([
      ['1', null, null],
      ['1', 'Service.Meta.version == 1', null],
      ['1', 'Service.Meta.version == 1', 'dc2'],
    ]);
  });

  it('says what can be written to a file and read again', async () => {
    one.entries = [
      ...split(10),
      { Kind: 'service-resolver', Name: 'next', LoadBalancer: { Policy: 'maglev' } },
    ];
    one.hosts['web'] = ['10.0.0.1'];
    one.source.want('web');
    one.source.want('spare');
    await settled('web');
    await settled('spare');
    expect(readSlice(writeSlice(one.slice()))).toEqual(one.slice());
    expect([...one.slice().routes!.keys()]).toEqual(['web', 'spare']);
  });

  it('takes a new plan only when each new target has had its first answer', async () => {
    one.entries = split(10);
    one.hosts['web'] = ['10.0.0.1'];
    one.hosts['next'] = ['10.0.0.2'];
    one.hosts['spare'] = ['10.0.0.3'];
    one.source.want('web');
    await settled();
    one.slow.add('spare');
    one.entries = [
      ...grpcServices('web', 'next', 'spare'),
      { Kind: 'service-splitter', Name: 'web', Splits: [{ Weight: 40 }, { Weight: 60, Service: 'spare' }] },
    ];
    one.changed();
    await drive(one.kit, 'the question', () => one.asked('/connect/spare') === 1);
    await breathe(20);
    expect([weights(), targets()]).toEqual([
      [90, 10],
      ['web', 'next'],
    ]);
    one.slow.delete('spare');
    one.changed();
    await drive(one.kit, 'the new plan', () => weights()[0] === 40);
    expect(targets()).toEqual(['web', 'spare']);
    expect(one.slice().targets!.get('spare')!.endpoints.length).toBe(1);
  });

  it('does not wait for a target that Consul refuses to list', async () => {
    one.entries = split(10);
    one.hosts['web'] = ['10.0.0.1'];
    one.broken.add('next');
    one.source.want('web');
    await settled();
    expect(one.slice().targets!.get('next')!.endpoints).toEqual([]);
    expect(one.source.trouble()).toContain('No path to datacenter');
    one.broken.clear();
    one.hosts['next'] = ['10.0.0.2'];
    await drive(one.kit, 'its answer', () => one.slice().targets!.get('next')!.endpoints.length === 1);
  });

  it.each([404, 403, 500])(
    'calls the service itself when its chain is answered with %i, and says so',
    async (status) => {
      one.chainStatus = status;
      one.hosts['web'] = ['10.0.0.1'];
      one.source.want('web');
      await settled();
      expect(one.slice().services!.get('web')!.endpoints.length).toBe(1);
      expect(one.slice().unheeded!.get('web')).toEqual([
        expect.stringContaining('routes cannot be had, the service itself is called: '),
      ]);
      expect(one.log.filter((line) => line.includes('do not hold in full')).length).toBe(1);
      one.chainStatus = 200;
      one.entries = split(10);
      await drive(one.kit, 'its routes', () => weights()[0] === 90);
      expect([...one.slice().unheeded!]).toEqual([]);
    },
  );

  it('keeps its routes when the chain cannot be had any more, or is nonsense', async () => {
    one.entries = split(10);
    one.hosts['web'] = ['10.0.0.1'];
    one.source.want('web');
    await settled();
    one.chainStatus = 500;
    one.changed();
    await drive(one.kit, 'questions', () => one.asked('/discovery-chain/web') >= 3);
    expect([weights(), targets()]).toEqual([
      [90, 10],
      ['web', 'next'],
    ]);
    expect([...one.slice().unheeded!]).toEqual([]);
  });

  it('tells what does not hold once, and shows it for as long as it stands', async () => {
    one.hosts['web'] = ['10.0.0.1'];
    const resolver = { Kind: 'service-resolver', Name: 'web', LoadBalancer: { Policy: 'maglev' } };
    one.entries = [...split(10), resolver];
    one.source.want('web');
    await settled();
    for (const next of [20, 30]) {
      one.entries = [...split(next), resolver];
      one.changed();
      await drive(one.kit, 'the change', () => weights()[1] === next);
    }
    const note = 'resolver web.default.dc1: LoadBalancer maglev is not honoured';
    expect(one.slice().unheeded!.get('web')).toEqual([note]);
    expect(one.log).toEqual([`web: entries of Consul do not hold in full: ${note}`]);
    one.entries = split(50);
    one.changed();
    await drive(one.kit, 'the change', () => weights()[1] === 50);
    expect([...one.slice().unheeded!]).toEqual([]);
  });
});
