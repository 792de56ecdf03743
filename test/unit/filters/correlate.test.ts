import { describe, expect, it } from 'vitest';
import type { Call } from '../../../sidecar/core/call.ts';
import { correlate } from '../../../sidecar/filters/correlate.ts';
import { withoutId } from '../../support/baggage.ts';
import { answer, newCall } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';

keepsTheFilterContract('correlate', {
  make: (kit) => correlate(kit, 'outbound'),
  call: ({ clock }) => newCall(clock),
  refused: {},
});

const aa = (bytes: number) => 'a'.repeat(bytes * 2);

const pass = (
  words: Parameters<typeof newCall>[1] & {},
  kit = stillKit(),
  direction: 'outbound' | 'inbound' = 'outbound',
) => {
  let passed: Call | null = null;
  correlate(
    kit,
    direction,
    aa,
  )(newCall(kit.clock, words), (call) => {
    passed = call;
    return answer();
  });
  return { call: passed as unknown as Call, kit };
};

const rejected = (kit: ReturnType<typeof stillKit>) =>
  kit.meter.count('outrigger_ids_rejected_total', 'outbound').value;

const trimmed = (kit: ReturnType<typeof stillKit>) =>
  kit.meter.count('outrigger_baggage_trimmed_total', 'outbound').value;

describe('correlate', () => {
  it('keeps a clean id as it came', () => {
    const { call, kit } = pass({ words: { requestId: 'Order-7:a.b_c' } });
    expect([call.id, call.life.id]).toEqual(['Order-7:a.b_c', 'Order-7:a.b_c']);
    expect(rejected(kit)).toBe(0);
  });

  it('keeps an id of 128 letters, the longest', () => {
    const { call, kit } = pass({ words: { requestId: 'z'.repeat(128) } });
    expect(call.id).toBe('z'.repeat(128));
    expect(rejected(kit)).toBe(0);
  });

  it('makes an id when there is none, and does not call that a rejection', () => {
    const { call, kit } = pass({});
    expect(call.id).toBe('a'.repeat(32));
    expect(rejected(kit)).toBe(0);
  });

  it.each([
    ['a line break', 'a\r\nb'],
    ['a NUL', 'a\0b'],
    ['an escape', '\u001b[31m'],
    ['a line separator', 'a\u2028b'],
    ['JSON', 'a","level":50'],
    ['an encoded line break', '%0d%0a'],
    ['129 letters', 'z'.repeat(129)],
  ])('makes a new id instead of one with %s, and counts it', (_, requestId) => {
    const { call, kit } = pass({ words: { requestId } });
    expect(call.id).toBe('a'.repeat(32));
    expect(rejected(kit)).toBe(1);
  });

  it('passes a valid traceparent and its tracestate unchanged', () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const { call } = pass({ words: { traceparent, tracestate: 'vendor=1' } });
    expect(call.traceparent).toBe(traceparent);
    expect(call.tracestate).toBe('vendor=1');
  });

  it('makes an unsampled traceparent instead of a malformed one, and drops its tracestate', () => {
    const { call } = pass({ words: { traceparent: '00-zz', tracestate: 'vendor=1' } });
    expect(call.traceparent).toBe(`00-${'a'.repeat(32)}-${'a'.repeat(16)}-00`);
    expect(call.tracestate).toBe('');
  });

  it('drops whole members of too long baggage, and counts the call', () => {
    const members = Array.from({ length: 65 }, (_, at) => `m${at}=1`);
    const { call, kit } = pass({ words: { baggage: members.join(',') } });
    expect(call.baggage).toBe(members.slice(0, 64).join(','));
    expect(trimmed(kit)).toBe(1);
    const most = pass({ words: { baggage: members.slice(1).join(',') } });
    expect(most.call.baggage).toBe(members.slice(1).join(','));
    expect(trimmed(most.kit)).toBe(0); // control: 64 are let through whole
  });

  it('counts the hop on the way in alone, in front, so that it is not what is cut off', () => {
    expect(pass({ words: { baggage: 'a=1' } }).call.baggage).toBe('a=1');
    const words = { requestId: 'order-7', baggage: 'a=1' };
    expect(pass({ words }, stillKit(), 'inbound').call.baggage).toBe(
      'outrigger.id=order-7,outrigger.hops=1,a=1',
    );
    const members = Array.from({ length: 70 }, (_, at) => `m${at}=1`);
    const long = { words: { baggage: [...members, 'outrigger.hops=5'].join(',') } };
    const kept = members.slice(0, 63).join(',');
    expect(pass(long).call.baggage).toBe(`outrigger.hops=5,${kept}`);
    expect(withoutId(pass(long, stillKit(), 'inbound').call.baggage)).toBe(
      `outrigger.hops=6,${members.slice(0, 62).join(',')}`,
    );
  });

  it('keeps the id through an app that passes on baggage alone, and lets nobody smuggle one in', () => {
    const arrived = (words: object) => pass({ words }).call.id;
    expect(arrived({ baggage: 'a=1, outrigger.id = order-7 ;p=1,outrigger.id=other' })).toBe('order-7');
    expect(arrived({ requestId: 'order-8', baggage: 'outrigger.id=order-7' })).toBe('order-8');
    expect(arrived({ baggage: 'outrigger.id=<script>' })).toMatch(/^[0-9a-f]{32}$/);
    const inbound = (baggage: string) =>
      pass({ words: { requestId: 'order-7', baggage } }, stillKit(), 'inbound').call.baggage;
    expect(inbound('outrigger.id=order-6,a=1')).toBe('outrigger.id=order-7,outrigger.hops=1,a=1');
    expect(inbound('outrigger.id=order-7,a=1')).toBe('outrigger.hops=1,outrigger.id=order-7,a=1');
  });

  it('makes ids that differ', () => {
    const kit = stillKit();
    const ids = new Set<string>();
    const filter = correlate(kit, 'outbound');
    for (let at = 0; at < 1000; at++)
      filter(newCall(kit.clock), (call) => {
        ids.add(call.id);
        return answer();
      });
    expect(ids.size).toBe(1000);
  });
});
