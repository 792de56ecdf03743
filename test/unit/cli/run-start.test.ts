import { describe, expect, it } from 'vitest';
import { run } from '../../../sidecar/cli/run.ts';
import { orders, stage } from '../../support/run-stage.ts';

/** Would fail if it were started. */
const never = ['outrigger-no-such-command'];
const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const hangs = new Promise<never>(() => {});

describe('a signal before the app was started', () => {
  it('ends the sidecar, and no app is started', async () => {
    const { around, signals, steps } = stage({ ready: hangs });
    const ended = run(orders, never, around);
    await soon();
    signals.emit('SIGINT', 'SIGINT');
    expect(await ended).toBe(130);
    expect(steps).toEqual(['start', 'close']);
  });

  it.each([
    ['starts', {}, { start: () => hangs }],
    ['says farewell', { ready: hangs, close: () => hangs }, {}],
  ])('and a second one end a sidecar that hangs while it %s', async (_, parts, over) => {
    const { around, signals } = stage(parts, over);
    const ended = run(orders, never, around);
    await soon();
    signals.emit('SIGINT', 'SIGINT');
    await soon();
    signals.emit('SIGINT', 'SIGINT');
    expect(await ended).toBe(130);
    expect(signals.eventNames()).toEqual([]);
  });
});

describe('an app that cannot be started', () => {
  it.each([
    ['an empty command', [''], 127, "outrigger: command not found: ''; write its path after --"],
    [
      'a zero byte in an argument',
      ['true', 'a\0b'],
      126,
      expect.stringContaining('true could not be started'),
    ],
  ])('for %s: its sidecar leaves the mesh', async (_, command, code, why) => {
    const { around, steps, said } = stage();
    expect(await run(orders, command, around)).toBe(code);
    expect(said.at(-1)).toEqual(why);
    expect(steps).toEqual(['start', 'drain', 'close']);
  });
});
