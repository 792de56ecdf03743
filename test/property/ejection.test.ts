import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Verdict } from '../../sidecar/core/endpoint.ts';
import { Pool } from '../../sidecar/endpoints/pool.ts';
import type { Health } from '../../sidecar/endpoints/probe.ts';
import { knowing, service, settled } from '../support/calls.ts';
import { fakeDial } from '../support/fake-link.ts';
import { stillKit } from '../support/kit.ts';
import { lost } from '../support/one-gate.ts';
import { always } from '../support/policies.ts';
import { forShare } from './budget.ts';

const step = fc.record({
  /** Which endpoint of those that there are hears of it. */
  at: fc.nat(11),
  verdict: fc.constantFrom<Verdict>('success', 'failure', 'failure', 'failure', 'busy', 'neutral'),
  times: fc.integer({ min: 1, max: 6 }),
  passMs: fc.constantFrom(0, 0, 0, 100, 1300, 11_000),
  health: fc.constantFrom<Health>('serving', 'failing', 'unknown'),
});

test('whatever becomes of calls, never the last endpoint is out, nor more than the policy allows', async () => {
  let shut = 0;
  const story = fc.asyncProperty(
    fc.integer({ min: 1, max: 12 }),
    fc.integer({ min: 0, max: 100 }),
    fc.array(step, { minLength: 1, maxLength: 60 }),
    async (size, most, steps) => {
      const kit = stillKit();
      let health: Health = 'failing';
      const view = service('inventory', ...Array.from({ length: size }, (_, at) => `10.0.0.${at + 1}:1`));
      const pool = new Pool(kit, fakeDial().dial, async () => health);
      pool.follow({ ...knowing(view), policies: always({ eject: { most } }) });
      const endpoints = pool.endpoints(view);
      try {
        for (const { at, verdict, times, passMs, health: now } of steps) {
          const endpoint = endpoints[at % size]!;
          health = now;
          for (let time = 0; time < times; time++) {
            if (endpoint.gate === 'probing') endpoint.enter();
            endpoint.judge(verdict, endpoint.epoch, lost);
          }
          kit.pass(passMs);
          if (passMs > 0) await settled();
          const out = endpoints.filter(({ gate }) => gate !== 'open').length;
          shut = Math.max(shut, out);
          expect(out).toBeLessThan(size);
          expect(out * 100).toBeLessThanOrEqual(most * size);
          expect(endpoints.some(({ available }) => available)).toBe(true);
        }
      } finally {
        pool.close('the story is over');
      }
      expect(kit.wheel.size).toBe(0);
    },
  );
  await fc.assert(story, forShare(0.1));
  expect(shut).toBeGreaterThan(1); // control: gates do shut in these stories
});
