import { describe, expect, it } from 'vitest';
import type { Words } from '../../../sidecar/core/call.ts';
import { Progress } from '../../../sidecar/core/progress.ts';
import { context } from '../../../sidecar/filters/context.ts';
import { answer, newCall, run } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';

const serving = (running: number): Progress => Object.assign(new Progress(), { running });
const method = '/inventory.v1.Inventory/Get';

keepsTheFilterContract('context', {
  make: (kit) => context(kit, serving(1)),
  call: (kit) => newCall(kit.clock),
  refused: {},
});

describe('context', () => {
  const lost = async (words: Partial<Words>, running = 1): Promise<number> => {
    const kit = stillKit();
    await run(
      (call) => context(kit, serving(running))(call, () => answer()),
      newCall(kit.clock, { words, method }),
    );
    return kit.meter.count('outrigger_context_lost_total', method).value;
  };

  it('counts a call that says nothing of the one in progress that it is for', async () => {
    expect(await lost({})).toBe(1);
    expect(await lost({ requestId: 'made-by-the-sdk' })).toBe(1);
  });

  it.each([
    ['its token', { token: '1a2b-1' }, 1],
    ['that it is of nobody’s', { token: '-' }, 1],
    ['its trace', { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }, 1],
    ['its baggage', { baggage: 'ff.express=on' }, 1],
    ['nothing while none is in progress', {}, 0],
  ] as const)('does not count one that says %s', async (_, words, running) => {
    expect(await lost(words, running)).toBe(0);
  });

  it('counts no more than 200 methods by name', async () => {
    const kit = stillKit();
    const filter = context(kit, serving(1));
    for (let at = 0; at < 205; at++)
      await run((call) => filter(call, () => answer()), newCall(kit.clock, { method: `/a.B/M${at}` }));
    expect(kit.meter.count('outrigger_context_lost_total', 'other').value).toBe(5);
  });
});
