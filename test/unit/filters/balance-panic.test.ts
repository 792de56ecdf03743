import { describe, expect, it } from 'vitest';
import { balance } from '../../../sidecar/filters/balance.ts';
import { answer, FakeEndpoint, routedCall, service, snapshot } from '../../support/calls.ts';
import { stillKit } from '../../support/kit.ts';
import { always } from '../../support/policies.ts';

const inventory = service('inventory');

const setUp = (count: number, near: readonly number[] | null = null) => {
  const lines: string[] = [];
  const kit = {
    ...stillKit(),
    log: {
      debug: () => {},
      info: (_: object, event: string) => void lines.push(event),
      warn: (_: object, event: string) => void lines.push(event),
      error: () => {},
    },
  };
  const endpoints = Array.from({ length: count }, (_, at) => new FakeEndpoint(`10.0.0.${at + 1}:1`));
  const filter = balance(
    kit,
    () => endpoints,
    () => near,
  );
  const call = (words = {}): number => {
    let chosen = -1;
    const routed = routedCall(kit.clock, inventory, { snapshot: snapshot({ policies: always(words) }) });
    void filter(routed, ({ endpoint }) => {
      chosen = endpoints.indexOf(endpoint as FakeEndpoint);
      return answer();
    });
    return chosen;
  };
  const counted = (name: string, label: string) => kit.meter.count(name, label).value;
  return { kit, lines, endpoints, call, counted };
};

const begins = 'panic: no endpoint is available; calls go to the least bad although its gate is shut';
const ends = 'panic is over: an endpoint is available again';

describe('a panic', () => {
  it('is counted call by call, and told once as it begins and once as it ends', () => {
    const { endpoints, call, counted, lines } = setUp(2);
    const [one, other] = endpoints as [FakeEndpoint, FakeEndpoint];
    Object.assign(one, { available: false, gate: 'shut' });
    call();
    expect(counted('outrigger_panic_total', 'inventory')).toBe(0); // the other one is well
    Object.assign(other, { available: false, reachable: false });
    for (let at = 0; at < 3; at++) expect(call()).toBe(0);
    expect(counted('outrigger_panic_total', 'inventory')).toBe(3);
    expect(lines).toEqual([begins]);
    other.available = true;
    call();
    call();
    expect(lines).toEqual([begins, ends]);
    expect(counted('outrigger_panic_total', 'inventory')).toBe(3);
  });

  it('is none where an endpoint only connects anew, or nobody can be reached', () => {
    const { endpoints, call, counted, lines } = setUp(1);
    endpoints[0]!.available = false;
    expect(call()).toBe(0);
    Object.assign(endpoints[0]!, { reachable: false, gate: 'shut' });
    expect(call()).toBe(0);
    expect(counted('outrigger_panic_total', 'inventory')).toBe(0);
    expect(lines).toEqual([]);
  });
});

describe('calls by zone', () => {
  it('are counted where both zones are known', () => {
    const { endpoints, call, counted } = setUp(3, [0]);
    endpoints[0]!.zone = 'own';
    endpoints[1]!.zone = 'other';
    const zoneCalls = () => ['own', 'other'].map((zone) => counted('outrigger_zone_calls_total', zone));
    call();
    expect(zoneCalls()).toEqual([1, 0]);
    endpoints[0]!.available = false;
    endpoints[2]!.available = false;
    call();
    expect(zoneCalls()).toEqual([1, 1]);
    endpoints[1]!.available = false;
    endpoints[2]!.available = true;
    expect(call()).toBe(2);
    expect(zoneCalls()).toEqual([1, 1]);
  });

  it('go by zone only where the policy prefers it', () => {
    const { endpoints, call } = setUp(2, [1]);
    endpoints[1]!.zone = 'own';
    endpoints[0]!.zone = 'other';
    expect(call()).toBe(1);
    endpoints[1]!.load = 1;
    expect(call()).toBe(1); // twice the load of the other is not too much
    expect(call({ zone: 'ignore' })).toBe(0); // control
    endpoints[1]!.load = 2;
    expect(call()).toBe(0);
  });
});
