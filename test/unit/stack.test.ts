import { describe, expect, it } from 'vitest';
import { Cell } from '../../sidecar/core/cell.ts';
import { refusal } from '../../sidecar/core/reply.ts';
import { broken, Code, ok } from '../../sidecar/core/status.ts';
import { inbound, outbound, refusing } from '../../sidecar/stack.ts';
import { FakeEndpoint, knowing, newCall, notingDiscovery, run, service, snapshot } from '../support/calls.ts';
import { stillKit } from '../support/kit.ts';
import { NotedTracer } from '../support/noted-tracer.ts';
import { always } from '../support/policies.ts';

const inventory = service('inventory', '10.0.0.1:1', '10.0.0.2:1');

const setUp = () => {
  const kit = stillKit();
  const endpoints = inventory.endpoints.map(({ id }) => new FakeEndpoint(id));
  const filters = outbound(kit, {
    snapshots: new Cell(knowing(inventory)),
    discovery: notingDiscovery(),
    endpoints: () => endpoints,
    breakers: () => null,
  });
  return { kit, endpoints, filters, serve: filters.to((attempt) => attempt.endpoint.send(attempt)) };
};

describe('the stacks', () => {
  it('meet an outbound call in this order', () => {
    expect(setUp().filters.names).toEqual([
      'correlate', // first: every line below can be told apart
      'observe', // above every refusal
      'context', // above all that uses it
      'hops', // above all that is done for a call
      'govern', // above all that can be tuned
      'deadline', // above all that waits
      'fault', // above all defences
      'flags', // before route
      'route', // Call -> RoutedCall
      'admit', // above retry
      'breaker', // one service; above retry
      'retry', // above balance
      'hedge', // beside retry
      'balance', // RoutedCall -> Attempt
      'eject', // one endpoint
    ]);
  });

  it('meet an inbound call in this order', () => {
    const filters = inbound(stillKit(), { authorize: { service: 'inventory', anonymous: false } });
    expect(filters.names).toEqual([
      'correlate',
      'observe',
      'deadline',
      'describe',
      'authorize',
      'believe',
      'fault',
    ]);
  });

  it('have their spans below correlate and balance where tracing is on, and nothing of them where it is off', () => {
    const kit = stillKit();
    const tracing = new NotedTracer().tracing();
    const out = outbound(kit, {
      snapshots: new Cell(knowing(inventory)),
      discovery: notingDiscovery(),
      endpoints: () => [],
      breakers: () => null,
      tracing,
    });
    const authorize = { service: 'inventory', anonymous: false };
    expect(out.names.slice(0, 3)).toEqual(['correlate', 'trace', 'observe']);
    expect(out.names.slice(-3)).toEqual(['balance', 'traceAttempt', 'eject']);
    expect(inbound(kit, { authorize, tracing }).names.slice(0, 3)).toEqual(['correlate', 'trace', 'observe']);
    expect(refusing(kit, 'inbound', undefined, tracing).names).toEqual(['correlate', 'trace', 'observe']);
    expect(refusing(kit, 'inbound').names).toEqual(['correlate', 'observe']);
  });

  it('carry a call to the transport in one tick', () => {
    const { kit, endpoints, serve } = setUp();
    void serve(newCall(kit.clock, { snapshot: knowing(inventory), words: { timeout: '1S' } }));
    expect(endpoints.flatMap((endpoint) => endpoint.attempts)).toHaveLength(1);
  });

  it('carry it with id, trace context and deadline', async () => {
    const { kit, endpoints, serve } = setUp();
    const policies = always({ flags: { express: 'on' } });
    const said = snapshot({ services: knowing(inventory).services, policies });
    await run(serve, newCall(kit.clock, { snapshot: said, words: { timeout: '1S', requestId: 'id-1' } }));
    const { call, previous } = endpoints.flatMap((endpoint) => endpoint.attempts)[0]!;
    expect(call.id).toBe('id-1');
    expect(call.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
    expect(call.baggage).toBe('ff.express=on');
    expect(call.deadlineAt).toBe(kit.clock.now() + 1000);
    expect(previous).toBe(0);
  });

  it('count a refusal by any filter below, and time none of it twice', async () => {
    const { kit, serve } = setUp();
    await run(serve, newCall(kit.clock, { authority: 'localhost' }));
    await run(serve, newCall(kit.clock, { words: { timeout: 'bad' } }));
    const count = (code: string, name: string) =>
      kit.meter.count('outrigger_calls_total', 'outbound', name, '/shop.Inventory/Get', code, 'mesh').value;
    expect(count('INVALID_ARGUMENT', 'none')).toBe(1);
    expect(count('INTERNAL', 'inventory')).toBe(1);
  });

  it('try another endpoint above the gate that hears of the first', async () => {
    const { kit, endpoints, serve } = setUp();
    endpoints[0]!.load = -1; // two choices take it first
    endpoints[0]!.answers = () => refusal(broken('connection refused', false));
    const status = await run(serve, newCall(kit.clock, { snapshot: knowing(inventory) }));
    expect(status).toBe(ok);
    expect(endpoints.map((endpoint) => endpoint.verdicts)).toEqual([['failure'], ['success']]);
    expect(endpoints[1]!.attempts[0]!.previous).toBe(1);
    expect(kit.wheel.size).toBe(0);
  });

  it('refuse an inbound caller before the app sees it', async () => {
    const kit = stillKit();
    let reached = 0;
    const serve = inbound(kit, { authorize: { service: 'inventory', anonymous: false } }).to(() => {
      reached++;
      return refusal(ok);
    });
    const access = { intentions: [], allowByDefault: false, because: 'the test says so' };
    const status = await run(serve, newCall(kit.clock, { caller: 'web', snapshot: snapshot({ access }) }));
    expect(status.code).toBe(Code.PERMISSION_DENIED);
    expect(reached).toBe(0);
    expect(kit.wheel.size).toBe(0);
  });
});
