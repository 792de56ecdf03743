import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { flagsOf } from '../../../sdk/flags.ts';
import { plainSnapshot } from '../../../sidecar/control/pages.ts';
import { eventually } from '../../support/eventually.ts';
import { onOff } from '../../support/flag-sets.ts';
import { closedAfterEach } from '../../support/kept.ts';
import { sumOf } from '../../support/sidecars.ts';
import { asItCame, type ChainOptions, flagChain, type Sight, shareOf } from './chain.ts';

const keep = closedAfterEach();
const start = async (options: ChainOptions = {}) => keep(await flagChain(options));

/** The answers of all hops of one call, each with its version. */
const answersOf = ({ orders, inventory }: Sight): string[] =>
  [...orders, ...inventory].map((baggage) => {
    const flags = flagsOf(baggage);
    return `${flags.version} ${[...flags].sort().join(' ')}`;
  });

describe('flags of a call tree', () => {
  it('are the same at every hop while definitions change a hundred times', async () => {
    // The second call of orders' app forgets its baggage, as apps without a library for it do.
    const chain = await start({
      passOn: (came) => [asItCame(came), { 'x-request-id': String(came['x-request-id']) }],
    });
    let changes = 0;
    const change = (): object => ({
      express: shareOf(changes % 101),
      tax: onOff({ defaultVariant: changes % 2 === 0 ? 'on' : 'off' }),
    });
    await chain.settle(change());
    let isOver = false;
    const changing = (async () => {
      for (; changes < 100; changes++) {
        await chain.define(change());
        await pause(40);
      }
      isOver = true;
    })();
    const calling = async (): Promise<string[][]> => {
      const seen: string[][] = [];
      while (!isOver) {
        seen.push(answersOf(await chain.call()));
        await pause(2);
      }
      return seen;
    };
    const [one, other] = await Promise.all([calling(), calling(), changing]);
    const calls = [...one, ...other];
    const versions = new Set(calls.map(([first]) => first!.split(' ')[0]));
    expect(calls.every((answers) => answers.length === 3)).toBe(true);
    expect(calls.filter((answers) => new Set(answers).size > 1)).toEqual([]);
    // Control: they did change, and so did the answers. A watch takes several changes at once.
    expect(versions.size).toBeGreaterThan(4);
    expect(new Set(calls.map(([first]) => first!.slice(9))).size).toBe(4);
  }, 60_000);

  it('control: would be decided anew at each hop without the mark', async () => {
    const chain = await start({ passOn: () => [{}] });
    await chain.settle({ express: shareOf(50) });
    const calls: string[][] = [];
    for (let at = 0; at < 40; at++) calls.push(answersOf(await chain.call()));
    expect(calls.some((answers) => new Set(answers).size > 1)).toBe(true);
  }, 60_000);

  it('are kept when a document is bad, which is shown with its place', async () => {
    const chain = await start();
    await chain.settle({ express: onOff({ defaultVariant: 'on' }) });
    await chain.api.put(
      '/v1/kv/outrigger/flags',
      '{"flags": {"express": {"state": "ON", "variants": {"on": 1}}}}',
    );
    await eventually(() => chain.web.snapshot().flagFaults.length === 1);
    expect(flagsOf((await chain.call()).inventory[0]!).variant('express')).toBe('on');
    expect(plainSnapshot(chain.web.snapshot())).toMatchObject({
      flagDefinitions: {
        origin: 'kv outrigger/flags',
        flags: { express: ['on', 'off'] },
        fixed: { express: 'on' },
      },
      flagFaults: [
        { problem: "outrigger/flags:1:33: flags.express.state must be ENABLED or DISABLED, not 'ON'" },
      ],
    });
    expect(sumOf(chain.web, 'outrigger_flag_definitions_refused_total', 'from="kv"')).toBe(1);
  }, 60_000);

  it('are counted by variant where calls leave', async () => {
    const chain = await start();
    await chain.settle({ express: onOff({ defaultVariant: 'on' }) });
    await chain.call();
    const labels = ['flag="express"', 'variant="on"', 'outcome="ok"'];
    await eventually(() => sumOf(chain.web, 'outrigger_flag_calls_total', ...labels) === 1);
    await eventually(() => sumOf(chain.orders, 'outrigger_flag_calls_total', ...labels) === 1);
  }, 60_000);
});

describe('a hop in the middle', () => {
  const widened = (baggage: string): string => baggage.replace('ff.express=off', 'ff.express=on');
  const express = ({ inventory }: Sight) => flagsOf(inventory[0]!).string('express', 'nobody decided');
  const definitions = { express: onOff() };

  it('cannot widen what the edge decided', async () => {
    const chain = await start({
      passOn: (came) => [{ ...asItCame(came), baggage: `${widened(String(came['baggage']))},ff.beta=on` }],
    });
    await chain.settle(definitions);
    const sight = await chain.call();
    expect(express(sight)).toBe('off');
    expect(flagsOf(sight.inventory[0]!).variant('beta')).toBeUndefined();
    expect(sumOf(chain.orders, 'outrigger_flags_refused_total', 'reason="widened"')).toBe(1);
  }, 60_000);

  it('gains nothing by an id of its own where it may not decide; control: it does where everybody may', async () => {
    const passOn: ChainOptions['passOn'] = (came) => [
      { 'x-request-id': 'an-id-of-its-own', baggage: widened(String(came['baggage'])) },
    ];
    const open = await start({ passOn });
    await open.settle(definitions);
    expect(express(await open.call())).toBe('on');
    const chain = await start({ passOn, inventory: { flagging: { deciders: ['web'] } } });
    await chain.settle(definitions);
    const before = sumOf(chain.inventory, 'outrigger_flags_refused_total', 'reason="decider"');
    expect(express(await chain.call())).toBe('nobody decided');
    expect(sumOf(chain.inventory, 'outrigger_flags_refused_total', 'caller="orders"')).toBe(before + 1);
  }, 60_000);

  it('passes on what a decider decided', async () => {
    const chain = await start({ inventory: { flagging: { deciders: ['web'] } } });
    await chain.settle(definitions);
    expect(express(await chain.call())).toBe('off');
    expect(sumOf(chain.inventory, 'outrigger_flags_refused_total')).toBe(0);
  }, 60_000);
});

describe('a tester', () => {
  const definitions = { express: onOff(), tax: onOff() };
  const asked = { 'x-outrigger-flags': 'express=on' };

  it('has the whole tree answer as asked, by the word of its own sidecar', async () => {
    const chain = await start({ web: { flagging: { testers: ['web'] } } });
    await chain.settle(definitions);
    const answers = answersOf(await chain.call(asked));
    expect(answers.map((one) => one.slice(9))).toEqual(['express,on tax,off', 'express,on tax,off']);
    expect(sumOf(chain.orders, 'outrigger_flags_refused_total')).toBe(0);
  }, 60_000);

  it('is believed by the callee that names it', async () => {
    const chain = await start({ orders: { flagging: { testers: ['web'] } } });
    await chain.settle(definitions);
    const answers = answersOf(await chain.call(asked));
    expect(answers.map((one) => one.slice(9))).toEqual(['express,on tax,off', 'express,on tax,off']);
  }, 60_000);

  it('control: nobody else is, and the attempt is counted', async () => {
    const chain = await start();
    await chain.settle(definitions);
    const answers = answersOf(await chain.call(asked));
    expect(answers.map((one) => one.slice(9))).toEqual(['express,off tax,off', 'express,off tax,off']);
    expect(sumOf(chain.orders, 'outrigger_flags_refused_total', 'caller="web"', 'reason="tester"')).toBe(1);
  }, 60_000);
});
