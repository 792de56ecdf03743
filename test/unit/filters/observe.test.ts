import { describe, expect, it } from 'vitest';
import { Life } from '../../../sidecar/core/life.ts';
import { silent } from '../../../sidecar/core/log.ts';
import { Code, ok, refused } from '../../../sidecar/core/status.ts';
import { observe } from '../../../sidecar/filters/observe.ts';
import { answer, type CallParts, HeldReply, newCall, run } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';

keepsTheFilterContract('observe', {
  make: (kit) => observe(kit, 'outbound'),
  call: ({ clock }) => newCall(clock),
  refused: {},
});

const method = '/shop.Inventory/Get';

const calls = (kit: StillKit, ...labels: string[]) =>
  kit.meter.count('outrigger_calls_total', ...labels).value;

/** A kit that keeps the fields of the lines that say how a call ended. */
const tellingKit = (verbose = true): { readonly kit: StillKit; readonly lines: object[] } => {
  const lines: object[] = [];
  const debug = (fields: object, text: string): void => void (text === 'call over' && lines.push(fields));
  return { kit: { ...stillKit(), log: { ...silent, verbose, debug } }, lines };
};

describe('observe', () => {
  it('counts a call by service, method, code and who decided', async () => {
    const kit = stillKit();
    const filter = observe(kit, 'outbound');
    await run((call) => filter(call, () => answer()), newCall(kit.clock));
    const denied = refused(Code.PERMISSION_DENIED, 'no');
    await run((call) => filter(call, () => answer(denied)), newCall(kit.clock));
    expect(calls(kit, 'outbound', 'inventory', method, 'OK', 'peer')).toBe(1);
    expect(calls(kit, 'outbound', 'inventory', method, 'PERMISSION_DENIED', 'mesh')).toBe(1);
  });

  it('measures from the header block to the end of the reply', async () => {
    const kit = stillKit();
    const call = newCall(kit.clock);
    const held = new HeldReply(call.life);
    await observe(kit, 'outbound')(call, () => Promise.resolve(held));
    expect(kit.meter.count('outrigger_calls_in_flight', 'outbound', 'inventory').value).toBe(1);
    kit.pass(40);
    held.end(ok);
    expect(kit.meter.count('outrigger_calls_in_flight', 'outbound', 'inventory').value).toBe(0);
    const duration = kit.meter.histogram('outrigger_call_duration_seconds', 'outbound', 'inventory', method);
    expect(duration.sum).toBeCloseTo(0.04, 9);
    expect(duration.counts.indexOf(1)).toBe(6); // up to 50 ms
  });

  it('counts a cancelled call at once, with what ended it', async () => {
    const kit = stillKit();
    const call = newCall(kit.clock);
    await observe(kit, 'outbound')(call, () => Promise.resolve(new HeldReply(call.life)));
    call.life.cancel({ code: Code.CANCELLED, message: '', from: 'wire', reached: true });
    expect(calls(kit, 'outbound', 'inventory', method, 'CANCELLED', 'wire')).toBe(1);
  });

  it('adds the bytes that the transport noted', async () => {
    const kit = stillKit();
    const life = new Life(kit.clock.now());
    life.requestBytes = 12;
    life.responseBytes = 345;
    await run((call) => observe(kit, 'outbound')(call, () => answer()), newCall(kit.clock, { life }));
    expect(kit.meter.count('outrigger_request_bytes_total', 'outbound', 'inventory').value).toBe(12);
    expect(kit.meter.count('outrigger_response_bytes_total', 'outbound', 'inventory').value).toBe(345);
  });

  it.each<[string, CallParts, string]>([
    ['a name with suffix and port', { authority: 'inventory.mesh:443' }, 'inventory'],
    ['the metadata before the authority', { words: { service: 'payments' } }, 'payments'],
    ['the port dialled', { port: 'stock', authority: '127.0.0.1:9191' }, 'stock'],
    ['nothing', { authority: '127.0.0.1:15001' }, 'none'],
  ])('takes the service from %s', async (_, parts, name) => {
    const kit = stillKit();
    await run((call) => observe(kit, 'outbound')(call, () => answer()), newCall(kit.clock, parts));
    expect(calls(kit, 'outbound', name, method, 'OK', 'peer')).toBe(1);
  });

  it('counts inbound calls under their verified caller', async () => {
    const kit = stillKit();
    await run((call) => observe(kit, 'inbound')(call, () => answer()), newCall(kit.clock, { caller: 'web' }));
    expect(calls(kit, 'inbound', 'web', method, 'OK', 'peer')).toBe(1);
    await run((call) => observe(kit, 'inbound')(call, () => answer()), newCall(kit.clock));
    expect(calls(kit, 'inbound', 'anonymous', method, 'OK', 'peer')).toBe(1);
  });

  it('counts a code that gRPC does not know as other', async () => {
    const kit = stillKit();
    const odd = { code: 99, message: '', from: 'peer', reached: true } as const;
    await run((call) => observe(kit, 'outbound')(call, () => answer(odd)), newCall(kit.clock));
    expect(calls(kit, 'outbound', 'inventory', method, 'other', 'peer')).toBe(1);
  });

  it('keeps no more edges than its limit, whatever callers invent, and loses no call', async () => {
    const { kit, lines } = tellingKit();
    const filter = observe(kit, 'outbound');
    for (let at = 0; at < 2500; at++)
      await run((call) => filter(call, () => answer()), newCall(kit.clock, { method: `/a.B/M${at}` }));
    const family = kit.meter.read().find((each) => each.definition.name === 'outrigger_calls_total')!;
    let sum = 0;
    for (const cell of family.cells.values()) sum += (cell as { value: number }).value;
    expect(sum).toBe(2500);
    expect(family.cells.size).toBe(2001);
    expect(calls(kit, 'outbound', 'other', 'other', 'OK', 'peer')).toBe(500);
    // The meter has a bound of its own; this one is of the edges that the filter keeps.
    expect(lines[1999]).toMatchObject({ service: 'inventory', method: '/a.B/M1999' });
    expect(lines[2000]).toMatchObject({ service: 'other', method: 'other' });
  });

  it('leaves a line for each call where the log asks for debug lines, and none elsewhere', async () => {
    for (const verbose of [true, false]) {
      const { kit, lines } = tellingKit(verbose);
      const denied = refused(Code.PERMISSION_DENIED, 'no');
      const call = newCall(kit.clock).identified('id-1', '', '', '');
      await run((each) => observe(kit, 'outbound')(each, () => answer(denied)), call);
      const fields = { id: 'id-1', direction: 'outbound', service: 'inventory', method, at: undefined };
      const line = { ...fields, code: 'PERMISSION_DENIED', from: 'mesh', tookMs: 0 };
      expect(lines).toEqual(verbose ? [line] : []);
    }
  });
});
