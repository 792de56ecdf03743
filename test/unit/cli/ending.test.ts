import { describe, expect, it } from 'vitest';
import { within } from '../../../sidecar/cli/ending.ts';

/** Timers of Node's that are armed now. */
const timers = (): number => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;

describe('waiting for what may come too late', () => {
  it('says whether it was done in time', async () => {
    expect(await within(Promise.resolve('done'), 60_000)).toBe(true);
    expect(await within(new Promise(() => {}), 1)).toBe(false);
  });

  it('does not take a failure for done', async () => {
    const never = Promise.reject(new Error('stopped before it was ready'));
    await expect(within(never, 60_000)).rejects.toThrow('stopped before it was ready');
  });

  it('is not ended by a failure that comes too late', async () => {
    let fail = (_why: Error): void => {};
    const work = new Promise((_, reject) => (fail = reject));
    expect(await within(work, 1)).toBe(false);
    fail(new Error('nobody hears of it'));
    // An unhandled rejection would fail this run.
    await new Promise((resolve) => setImmediate(resolve));
  });

  it('leaves no timer behind', async () => {
    const before = timers();
    await within(Promise.resolve(), 60_000);
    await within(Promise.reject(new Error('no')), 60_000).catch(() => {});
    expect(timers()).toBe(before);
  });
});
