import { describe, expect, it } from 'vitest';
import type { PolicyWords } from '../../../sidecar/core/policy.ts';
import type { Endpoint } from '../../../sidecar/endpoints/endpoint.ts';
import { Pool } from '../../../sidecar/endpoints/pool.ts';
import { knowing, newAttempt, run, service, settled } from '../../support/calls.ts';
import { fakeDial } from '../../support/fake-link.ts';
import { stillKit } from '../../support/kit.ts';
import { lost } from '../../support/one-gate.ts';
import { always } from '../../support/policies.ts';

/** A service with so many instances. */
const setUp = (size: number, eject: PolicyWords['eject'] = {}) => {
  const kit = stillKit();
  const view = service('inventory', ...Array.from({ length: size }, (_, at) => `10.0.0.${at + 1}:1`));
  const { dial, links } = fakeDial();
  const pool = new Pool(kit, dial, async () => 'failing');
  const tune = (words: PolicyWords['eject']) =>
    pool.follow({ ...knowing(view), policies: always({ eject: words, breaker: { mode: 'off' } }) });
  tune(eject);
  const endpoints = pool.endpoints(view);
  const shut = () => endpoints.filter(({ gate }) => gate === 'shut').length;
  const counted = (name: string) => kit.meter.count(name, 'inventory').value;
  return { kit, pool, links, endpoints, tune, shut, counted };
};

const fail = (endpoint: Endpoint, times = 5): void => {
  for (let at = 0; at < times; at++) endpoint.judge('failure', endpoint.epoch, lost);
};

describe('how many endpoints of a service may be out', () => {
  it.each([
    [1, 0],
    [2, 1],
    [3, 1],
    [4, 2],
    [10, 5],
  ])('of %d at most %d, though all fail', (size, most) => {
    const { endpoints, shut, pool } = setUp(size);
    for (let round = 0; round < 20; round++) for (const endpoint of endpoints) fail(endpoint, 1);
    expect(shut()).toBe(most);
    pool.close('over');
  });

  it.each([
    [10, 30, 3],
    [10, 100, 9], // never the last
    [3, 100, 2],
    [2, 100, 1],
    [3, 30, 0], // a word does what it says: one of three is more
    [10, 0, 0],
  ])('of %d with `most: %d` %d', (size, share, most) => {
    const { endpoints, shut, pool } = setUp(size, { most: share });
    for (let round = 0; round < 20; round++) for (const endpoint of endpoints) fail(endpoint, 1);
    expect(shut()).toBe(most);
    pool.close('over');
  });

  it('of a pair: the other one fails on, until the first is back', async () => {
    const { endpoints, pool } = setUp(2);
    const [first, second] = endpoints;
    fail(first!);
    fail(second!, 50);
    expect([first!.gate, second!.gate]).toEqual(['shut', 'open']);
    first!.judge('success', first!.epoch);
    await settled();
    expect(first!.gate).toBe('open');
    fail(second!, 1);
    expect(second!.gate).toBe('shut');
    pool.close('over');
  });

  it('leaves one that takes calls: of a pair whose other one cannot be reached none', () => {
    for (const [dials, gate] of [
      ['refused', 'open'],
      ['well', 'shut'], // control
    ] as const) {
      const { kit, endpoints, links, pool } = setUp(2);
      const [first, second] = endpoints;
      void run((each) => second!.send(each), newAttempt(kit.clock, second!));
      if (dials === 'refused') links[0]!.break('refused');
      else links[0]!.ready();
      fail(first!, 20);
      expect(first!.gate).toBe(gate);
      pool.close('over');
    }
  });

  it('a share of failures that all have is no reason to shut more', () => {
    const { endpoints, shut, pool } = setUp(10);
    for (let round = 0; round < 50; round++)
      for (const endpoint of endpoints)
        endpoint.judge(round % 2 ? 'failure' : 'success', endpoint.epoch, lost);
    expect(shut()).toBe(5);
    pool.close('over');
  });
});

describe('ejection in shadow', () => {
  it('counts no more than would be out, and all go on taking calls', () => {
    const { endpoints, shut, counted, tune, pool } = setUp(10, { mode: 'shadow' });
    for (const endpoint of endpoints) fail(endpoint);
    expect([shut(), counted('outrigger_would_eject_total')]).toEqual([0, 5]);
    expect(endpoints.every(({ available }) => available)).toBe(true);
    tune({ mode: 'on' });
    for (const endpoint of endpoints) fail(endpoint);
    expect(shut()).toBe(5); // control
    pool.close('over');
  });
});
