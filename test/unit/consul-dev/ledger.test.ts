import { describe, expect, it } from 'vitest';
import { Ledger } from '../../../sidecar/consul-dev/ledger.ts';
import { stillTime } from './still-time.ts';

describe('the ledger', () => {
  it('counts every write, and remembers the last of each topic', () => {
    const ledger = new Ledger(stillTime());
    const first = ledger.write('a', 'b');
    const second = ledger.write('b');
    expect(second).toBe(first + 1);
    expect([ledger.at('a'), ledger.at('b'), ledger.at('c')]).toEqual([first, second, undefined]);
    expect([ledger.last('a', 'b'), ledger.last('c')]).toEqual([second, 1]);
  });

  it('wakes whom a write concerns, and nobody else', async () => {
    const time = stillTime();
    const ledger = new Ledger(time);
    const a = ledger.wait((topic) => topic === 'a').over(time.now() + 100);
    const b = ledger.wait((topic) => topic === 'b').over(time.now() + 100);
    ledger.write('a');
    expect(await a).toBe('changed');
    expect(ledger.waiting).toBe(1);
    time.pass(100);
    expect(await b).toBe('late');
    expect([ledger.waiting, time.armed]).toEqual([0, 0]);
  });

  it('does not miss a write between the beginning of a wait and its waiting', async () => {
    const time = stillTime();
    const ledger = new Ledger(time);
    const wait = ledger.wait(() => true);
    ledger.write('a');
    expect(await wait.over(time.now() + 100)).toBe('changed');
    expect(time.armed).toBe(0);
  });

  it('lets everybody go when it closes, and holds nobody after', async () => {
    const time = stillTime();
    const ledger = new Ledger(time);
    const held = ledger.wait(() => true).over(time.now() + 1e6);
    ledger.close();
    expect(await held).toBe('gone');
    expect(await ledger.wait(() => true).over(time.now() + 1e6)).toBe('gone');
    expect([ledger.waiting, time.armed]).toEqual([0, 0]);
  });
});
