import { expect, test } from 'vitest';
import type { Evidence } from '../../../../sidecar/cli/demo/act.ts';
import { denied } from '../../../../sidecar/cli/demo/acts/denied.ts';
import { healthy } from '../../../../sidecar/cli/demo/acts/healthy.ts';
import { killed } from '../../../../sidecar/cli/demo/acts/killed.ts';
import { unavailable } from '../../../../sidecar/cli/demo/acts/unavailable.ts';
import type { Line } from '../../../../sidecar/cli/demo/diary.ts';
import type { UserCall } from '../../../../sidecar/cli/demo/services.ts';

const at = 10_000;

const call = (what: string, code: string, beganAt: number, id = 'id'): UserCall => ({
  id,
  what,
  code,
  beganAt,
  tookMs: 5,
  reached: true,
  message: '',
});

const evidence = (calls: UserCall[], pages: Record<string, Partial<Line>[]> = {}): Evidence => ({
  calls,
  failed: calls.filter(({ code }) => code !== 'OK'),
  at,
  found: [],
  books: new Map(
    Object.entries(pages).map(([name, lines]) => [name, { member: { name }, lines, counted: [] } as never]),
  ),
});

test('healthy is broken by one failure', () => {
  expect(healthy.judge(evidence([call('orders/Place', 'OK', at)]))).toEqual([]);
  expect(healthy.judge(evidence([call('orders/Place', 'INTERNAL', at)]))).toHaveLength(1);
});

test('five failures are what UNAVAILABLE may cost, a sixth is too many, and no other code', () => {
  const failures = (count: number, code = 'UNAVAILABLE'): UserCall[] =>
    Array.from({ length: count }, () => call('orders/Place', code, at + 1));
  expect(unavailable.judge(evidence(failures(5)))).toEqual([]);
  expect(unavailable.judge(evidence(failures(6)))).toHaveLength(1);
  expect(unavailable.judge(evidence(failures(1, 'INTERNAL')))).toHaveLength(1);
});

test('a denial must hold after a second, for its caller alone', () => {
  const late = call('payments/Receipt', 'PERMISSION_DENIED', at + 1500);
  expect(denied.judge(evidence([late, call('payments/Receipt', 'OK', at + 900)]))).toEqual([]);
  expect(denied.judge(evidence([late, call('payments/Receipt', 'OK', at + 1100)]))).toHaveLength(1);
  expect(denied.judge(evidence([late, call('orders/Place', 'PERMISSION_DENIED', at + 1100)]))).toHaveLength(
    1,
  );
  expect(denied.judge(evidence([]))).toEqual(['the denied caller did not call']);
});

test('a death excuses the calls that were with the dead, and nobody else', () => {
  const began: Partial<Line> = { event: 'began', id: 'held', method: 'Reserve', at: at - 2 };
  const inFlight: Partial<Line> = {
    event: 'called',
    peer: 'inventory',
    id: 'held',
    code: 'UNAVAILABLE',
    at: at + 3,
    tookMs: 5,
    reached: true,
  };
  const refused = { ...inFlight, id: 'refused', at: at + 2, tookMs: 1, reached: false };
  const pages = { 'inventory-2': [began], orders: [inFlight, refused] };
  expect(killed.judge(evidence([call('orders/Place', 'UNAVAILABLE', at - 3, 'held')], pages))).toEqual([]);
  expect(
    killed.judge(evidence([call('orders/Place', 'UNAVAILABLE', at + 1, 'refused')], pages)),
  ).toHaveLength(1);
  expect(
    killed.judge(evidence([call('orders/Place', 'UNAVAILABLE', at + 2100, 'late')], pages)),
  ).toHaveLength(2);
  expect(killed.loss?.(evidence([], pages))).toEqual({ member: 'inventory-2', inFlight: 1 });
});
