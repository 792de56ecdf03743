import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { sumOf, type TwoSidecars, type TwoSidecarsOptions, twoSidecars } from '../../support/sidecars.ts';

let mesh: TwoSidecars | null = null;
afterEach(async () => {
  await mesh?.close();
  mesh = null;
});

const start = async (options: TwoSidecarsOptions): Promise<TwoSidecars> => {
  mesh = await twoSidecars(options);
  return mesh;
};
const all = (abort: string) => ({ echo: { faults: [{ percent: 100, abort }] } });

describe('faults made on purpose', () => {
  it('of a policy reach the app as they are: no retry hides them, no instance is blamed', async () => {
    const { client, caller, apps } = await start({
      instances: 2,
      caller: { faults: { policies: true }, policies: all('UNAVAILABLE') },
    });
    for (let call = 0; call < 20; call++) {
      const { code, message, trailers } = await client.call('Unary', 'm');
      expect(code).toBe(grpc.status.UNAVAILABLE);
      expect(message).toContain('a fault made on purpose (abort=UNAVAILABLE)');
      expect(trailers.get('x-outrigger-fault')).toEqual(['abort=UNAVAILABLE']);
    }
    expect(apps.map(({ seen }) => seen.length)).toEqual([0, 0]);
    expect(caller.endpoints().map(({ gate }) => gate)).toEqual(['open', 'open']);
    expect(sumOf(caller, 'outrigger_faults_total', 'kind="abort"')).toBe(20);
  });

  it('do nothing where the settings file does not enable them (control)', async () => {
    const { client } = await start({ caller: { policies: all('UNAVAILABLE') } });
    expect((await client.call('Unary', 'm')).code).toBe(grpc.status.OK);
  });

  it('reset the stream, or are silent until the deadline', async () => {
    const { client } = await start({
      caller: {
        faults: { policies: true },
        policies: {
          echo: {
            methods: {
              '/interop.Echo/Unary': { faults: [{ percent: 100, abort: 'reset' }] },
              '/interop.Echo/Timeout': { faults: [{ percent: 100, abort: 'drop' }] },
            },
          },
        },
      },
    });
    const reset = await client.call('Unary', 'm');
    expect([reset.code, reset.message]).toEqual([
      grpc.status.INTERNAL,
      expect.stringContaining('RST_STREAM'),
    ]);
    const { code } = await client.call('Timeout', 'm', { deadlineMs: 200 });
    expect(code).toBe(grpc.status.DEADLINE_EXCEEDED);
  });

  it('are made for one request by a caller that the callee allows, and not for another', async () => {
    const metadata = [['x-outrigger-fault', 'delay=5ms, abort=DATA_LOSS']] as const;
    const { client, callees } = await start({
      callerName: 'tester',
      callee: { faults: { from: ['tester'] } },
    });
    const { code, trailers } = await client.call('Unary', 'm', { metadata });
    expect(code).toBe(grpc.status.DATA_LOSS);
    expect(trailers.get('x-outrigger-fault')).toEqual(['delay=5ms,abort=DATA_LOSS']);
    expect((await client.call('Unary', 'm')).code).toBe(grpc.status.OK);
    expect(sumOf(callees[0]!, 'outrigger_faults_refused_total')).toBe(0);
    await mesh!.close();
    const other = await start({ callee: { faults: { from: ['tester'] } } });
    expect((await other.client.call('Unary', 'm', { metadata })).code).toBe(grpc.status.OK);
    expect(sumOf(other.callees[0]!, 'outrigger_faults_refused_total')).toBe(1);
  });
});
