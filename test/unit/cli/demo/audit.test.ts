import { expect, test } from 'vitest';
import { audit } from '../../../../sidecar/cli/demo/audit.ts';
import type { Counted } from '../../../../sidecar/cli/demo/counters.ts';
import type { Line } from '../../../../sidecar/cli/demo/diary.ts';
import type { Books, Page } from '../../../../sidecar/cli/demo/ledger.ts';
import type { UserCall } from '../../../../sidecar/cli/demo/services.ts';

const user = (what: string, code = 'OK'): UserCall => ({
  id: 'id',
  what,
  code,
  beganAt: 0,
  tookMs: 1,
  reached: true,
  message: '',
});

const line = (event: Line['event'], peer: string, method: string, code = 'OK'): Line => ({
  at: 0,
  app: '',
  pid: 1,
  event,
  id: 'id',
  peer,
  method,
  code,
  tookMs: 1,
  reached: true,
  message: '',
});

const counted = (
  direction: Counted['direction'],
  service: string,
  method: string,
  calls: number,
  code = 'OK',
  from = 'peer',
): Counted => ({ direction, service, method, code, from, calls });

const page = (
  name: string,
  service: string,
  lines: readonly Line[],
  counters: readonly Counted[] | null,
): Page => ({
  member: { name, service } as Page['member'],
  lines,
  counted: counters,
});

const books = (...pages: readonly Page[]): Books => new Map(pages.map((each) => [each.member.name, each]));

const receipts = (count: number): Line[] =>
  Array.from({ length: count }, () => line('served', 'storefront', 'Receipt'));
const storefront = (calls: number): Page =>
  page(
    'storefront',
    'storefront',
    Array.from({ length: calls }, () => line('called', 'payments', 'Receipt')),
    [counted('outbound', 'payments', 'Receipt', calls)],
  );

test('counts that agree have no difference, and every one was compared', () => {
  const found = audit(
    books(
      storefront(2),
      page('payments', 'payments', receipts(2), [counted('inbound', 'storefront', 'Receipt', 2)]),
    ),
    [user('payments/Receipt'), user('payments/Receipt')],
    null,
  );
  expect(found).toEqual({ compared: 4, differences: [] });
});

test('a call that the load generator forgot, an app did not log, or a sidecar did not count is found', () => {
  const inbound = (calls: number): Counted[] => [counted('inbound', 'storefront', 'Receipt', calls)];
  const two = [user('payments/Receipt'), user('payments/Receipt')];
  const differences = (users: UserCall[], served: number, seen: number): readonly string[] =>
    audit(books(storefront(2), page('payments', 'payments', receipts(served), inbound(seen))), users, null)
      .differences;
  expect(differences(two.slice(1), 2, 2)).toEqual([
    "storefront -> payments Receipt OK: load generator 1, the app's log 2",
  ]);
  expect(differences(two, 1, 2)).toEqual([
    "storefront -> payments Receipt OK: the caller's sidecar 2, the callee's logs and refusals 1",
    "storefront -> payments Receipt OK: the app's log 1, its sidecar 2",
  ]);
  expect(differences(two, 2, 1)).toEqual([
    "storefront -> payments Receipt OK: the app's log 2, its sidecar 1",
  ]);
});

test('a denial is counted by the sidecar that denied, and by no app', () => {
  const denied = 'PERMISSION_DENIED';
  const found = audit(
    books(
      page(
        'storefront',
        'storefront',
        [line('called', 'payments', 'Receipt', denied)],
        [counted('outbound', 'payments', 'Receipt', 1, denied, 'mesh')],
      ),
      page('payments', 'payments', [], [counted('inbound', 'storefront', 'Receipt', 1, denied, 'mesh')]),
    ),
    [user('payments/Receipt', denied)],
    null,
  );
  expect(found.differences).toEqual([]);
});

test('of a killed member as many calls may be missing as were in flight there, and not one more', () => {
  const orders = page(
    'orders',
    'orders',
    [line('called', 'inventory', 'Reserve'), line('called', 'inventory', 'Reserve', 'UNAVAILABLE')],
    [
      counted('outbound', 'inventory', 'Reserve', 1),
      counted('outbound', 'inventory', 'Reserve', 1, 'UNAVAILABLE', 'wire'),
    ],
  );
  const dead = (served: number): Page =>
    page(
      'inventory-2',
      'inventory',
      Array.from({ length: served }, () => line('served', 'orders', 'Reserve')),
      null,
    );
  const differences = (served: number, inFlight: number): readonly string[] =>
    audit(books(orders, dead(served)), [], { member: 'inventory-2', inFlight }).differences;
  expect(differences(2, 1)).toEqual([]);
  expect(differences(3, 1)).toEqual([
    "orders -> inventory Reserve OK: the caller's sidecar 1, the callee's logs and refusals 3 (1 in flight at the death)",
  ]);
});

test('a call that ran out of time may be told as cancelled, by whoever noticed that first', () => {
  const page1 = page(
    'storefront',
    'storefront',
    [line('called', 'payments', 'Receipt', 'CANCELLED')],
    [counted('outbound', 'payments', 'Receipt', 1, 'DEADLINE_EXCEEDED', 'mesh')],
  );
  const page2 = page(
    'payments',
    'payments',
    [line('served', 'storefront', 'Receipt', 'CANCELLED')],
    [counted('inbound', 'storefront', 'Receipt', 1, 'DEADLINE_EXCEEDED', 'mesh')],
  );
  const users = [user('payments/Receipt', 'CANCELLED')];
  expect(audit(books(page1, page2), users, null, 1).differences).toEqual([]);
  expect(audit(books(page1, page2), users, null).differences.length).toBeGreaterThan(0);
});
