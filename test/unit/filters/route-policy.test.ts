import { describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';
import type { PolicyLayer, PolicyWords } from '../../../sidecar/core/policy.ts';
import { govern } from '../../../sidecar/filters/govern.ts';
import { route } from '../../../sidecar/filters/route.ts';
import { answer, newCall, notingDiscovery, service, snapshot } from '../../support/calls.ts';
import { rule as routeRule, table } from '../../support/chains.ts';
import { stillKit } from '../../support/kit.ts';
import { rule, ruled } from '../../support/policies.ts';

/** How long a call may last below `route`, whose one route grants 200 ms. */
const granted = (layer: PolicyLayer, words: PolicyWords): number => {
  const kit = stillKit();
  const said = snapshot({
    targets: new Map([['one', service('one', '10.0.0.1:1')]]),
    routes: new Map([['web', table(routeRule({ timeoutMs: 200, legs: [{ weight: 1, targets: ['one'] }] }))]]),
    asked: new Map([['web', true]]),
    policies: ruled(rule(layer, 'web', '', words)),
  });
  const filter = route(kit, new Cell(said), notingDiscovery());
  let grantedMs = -1;
  const call = newCall(kit.clock, { authority: 'web', snapshot: said });
  void govern()(call, (each) =>
    filter(each, (next) => {
      grantedMs = next.call.deadlineAt - kit.clock.now();
      return answer();
    }),
  );
  call.life.cancel({ code: 1, message: '', from: 'wire', reached: true });
  expect(kit.wheel.size).toBe(0);
  return grantedMs;
};

describe("a route's RequestTimeout", () => {
  it.each(['file', 'kv'] as const)('yields to a timeout from %s, to none too', (layer) => {
    // The deadline itself is set above, by `deadline`, which is not here.
    expect(granted(layer, { timeout: 5000 })).toBe(Number.POSITIVE_INFINITY);
    expect(granted(layer, { timeout: null })).toBe(Number.POSITIVE_INFINITY);
  });

  it('control: holds where they say other things', () => {
    expect(granted('kv', { balance: 'round-robin' })).toBe(200);
  });
});
