import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { Evidence } from '../../../../sidecar/cli/demo/act.ts';
import { denied } from '../../../../sidecar/cli/demo/acts/denied.ts';
import { healthy } from '../../../../sidecar/cli/demo/acts/healthy.ts';
import { hung } from '../../../../sidecar/cli/demo/acts/hung.ts';
import { killed } from '../../../../sidecar/cli/demo/acts/killed.ts';
import { slow } from '../../../../sidecar/cli/demo/acts/slow.ts';
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

test('one that hangs may cost twelve calls, which end at their deadline', () => {
  const late = (count: number, code = 'DEADLINE_EXCEEDED', tookMs = 5010): UserCall[] =>
    Array.from({ length: count }, () => ({ ...call('orders/Place', code, at), tookMs }));
  expect(hung.judge(evidence(late(12)))).toEqual([]);
  expect(hung.judge(evidence(late(13)))).toEqual(['13 calls waited in vain, not 12 at most']);
  expect(hung.judge(evidence(late(1, 'UNAVAILABLE')))).toHaveLength(1);
  expect(hung.judge(evidence(late(1, 'DEADLINE_EXCEEDED', 6000)))).toHaveLength(1);
});

test('one that is late may cost one call in a hundred, from a second on', () => {
  const calls = (slowOnes: number, beganAt: number): UserCall[] =>
    Array.from({ length: 200 }, (_, turn) => ({
      ...call('orders/Place', 'OK', beganAt),
      tookMs: turn < slowOnes ? 510 : 5,
    }));
  expect(slow.judge(evidence(calls(200, at + 500)))).toEqual([]);
  expect(slow.judge(evidence(calls(2, at + 1500)))).toEqual([]);
  expect(slow.judge(evidence(calls(3, at + 1500)))).toEqual([
    '3 of 200 calls took longer than 250 ms (the first: id)',
  ]);
  expect(slow.judge(evidence([call('orders/Place', 'INTERNAL', at)]))).toHaveLength(1);
});

describe('one that answers UNAVAILABLE', () => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-acts-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const log = join(folder, 'orders.log');
  const gateLine = (time: number, endpoint: string): string =>
    JSON.stringify({ time: new Date(time).toISOString(), endpoint, event: 'gate shut' });
  /** Orders shut the gate of inventory-2 at 10,100, and inventory-1's some time before. */
  const shut = [
    gateLine(at - 500, '127.0.0.1:2'),
    gateLine(at + 50, '127.0.0.1:1'),
    gateLine(at + 100, '127.0.0.1:2'),
  ];
  /** Failures of the inventory that users saw, each begun and ended so many milliseconds after it became unwell. */
  const judge = (
    times: [began: number, ended: number][],
    lines = shut,
    served: Partial<Line>[] = [],
  ): string[] => {
    writeFileSync(log, lines.map((line) => `${line}\n`).join(''));
    const users = times.map(([began], turn) =>
      call('orders/Place', 'UNAVAILABLE', at + began - 1, `id-${turn}`),
    );
    const called = times.map(
      ([began, ended], turn): Partial<Line> => ({
        event: 'called',
        peer: 'inventory',
        code: 'UNAVAILABLE',
        id: `id-${turn}`,
        at: at + ended,
        tookMs: ended - began,
      }),
    );
    const seen = evidence(users, { orders: called, 'inventory-2': served });
    Object.assign(seen.books.get('orders')!.member, { logs: [log] });
    Object.assign(seen.books.get('inventory-2')!.member, { peers: '127.0.0.1:2', logs: [] });
    return unavailable.judge(seen);
  };
  const row = (count: number): [number, number][] =>
    Array.from({ length: count }, (_, turn) => [turn * 10, turn * 10 + 5]);

  test('may cost five calls in a row, and those that were under way as its gate shut', () => {
    expect(judge(row(5))).toEqual([]);
    expect(judge([...row(5), [90, 130], [95, 400], [99, 101]])).toEqual([]);
  });

  test('may not cost a sixth before its gate shut', () => {
    expect(judge(row(6))).toEqual(['6 calls in a row failed before its gate was shut, not 5']);
  });

  test('has a new row of five after an answer that went well', () => {
    expect(judge(row(6), shut, [{ event: 'served', code: 'OK', at: at + 4 }])).toEqual([]);
  });

  test('may cost none that began after its gate shut', () => {
    expect(judge([...row(5), [120, 130]])).toEqual([
      'not under way at inventory-2 when its gate shut: orders/Place UNAVAILABLE "" (id-5)',
    ]);
  });

  test('must have its gate shut, and not only once upon a time', () => {
    expect(judge(row(3), shut.slice(0, 2))).toEqual([
      '3 calls failed, and the sidecar of orders shut no gate',
    ]);
  });

  test('may make no other call fail, and with no other code', () => {
    writeFileSync(log, shut.join('\n'));
    const stranger = (code: string): string[] => {
      const seen = evidence([call('payments/Receipt', code, at + 1)], { orders: [], 'inventory-2': [] });
      Object.assign(seen.books.get('orders')!.member, { logs: [log] });
      Object.assign(seen.books.get('inventory-2')!.member, { peers: '127.0.0.1:2', logs: [] });
      return unavailable.judge(seen);
    };
    expect(stranger('UNAVAILABLE')).toHaveLength(1);
    expect(stranger('INTERNAL')).toHaveLength(1);
  });
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
