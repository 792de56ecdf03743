import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { Sabotage } from '../../../sidecar/sabotage.ts';
import { eventually } from '../../support/eventually.ts';
import { type Mood, moodyApps } from '../../support/moody-app.ts';
import { moodyMeshes } from '../../support/moody-mesh.ts';
import { sumOf, twoSidecars } from '../../support/sidecars.ts';

const start = moodyMeshes();

describe('one of two instances that says nothing any more', () => {
  it('costs about five calls, then none; back among the two within two seconds', async () => {
    const mesh = await start(2, { policy: { balance: 'round-robin' } });
    const [first] = mesh.apps;
    first!.mood = 'silent';
    let waited = 0;
    while (mesh.gates()[0] === 'open' && waited < 50) waited += (await mesh.calls(2, 250)).length;
    expect(waited).toBeLessThan(10); // five, and those that ran out of time before they were sent
    expect(mesh.gates()).toEqual(['shut', 'open']);
    const before = first!.calls;
    expect(await mesh.calls(100)).toEqual([]);
    expect(first!.calls).toBe(before);
    expect(mesh.gate()).toBe('open'); // of the service: one of it is well

    first!.mood = 'well';
    const begun = performance.now();
    const isOpen = async (): Promise<boolean> => {
      expect(await mesh.calls(1)).toEqual([]); // one of them is on trial
      return mesh.gates()[0] === 'open';
    };
    await eventually(isOpen, 'an open gate');
    expect(performance.now() - begun).toBeLessThan(2000);
    const back = first!.calls;
    expect(await mesh.calls(20)).toEqual([]);
    expect(first!.calls - back).toBe(10);
  });

  it('control: without ejection half of all calls wait in vain', async () => {
    const mesh = await start(2, { policy: { balance: 'round-robin' }, sabotage: ['eject', 'breaker'] });
    mesh.apps[0]!.mood = 'silent';
    expect((await mesh.calls(40, 100)).length).toBeGreaterThanOrEqual(20);
  });
});

describe('one of three instances that fails every other call', () => {
  const failures = async (policy: object): Promise<{ first: number; later: number; gates: string[] }> => {
    const mesh = await start(3, { policy: { balance: 'round-robin', ...policy } });
    mesh.apps[0]!.mood = 'half';
    const first = (await mesh.calls(60)).length;
    const later = (await mesh.calls(150)).length;
    return { first, later, gates: mesh.gates() };
  };

  it('costs a few calls, by its share of them: never five in a row', async () => {
    const { first, later } = await failures({});
    expect(first).toBeLessThanOrEqual(4);
    expect(later).toBeLessThanOrEqual(4); // it says that it serves, and is believed once
  });

  it('control: with a count of failures in a row alone it costs a sixth of all', async () => {
    expect(await failures({ eject: { success: 0 } })).toEqual({
      first: 10,
      later: 25,
      gates: ['open', 'open', 'open'],
    });
  });

  it('shadow: is told, and costs as much', async () => {
    const mesh = await start(3, { policy: { balance: 'round-robin', eject: { mode: 'shadow' } } });
    mesh.apps[0]!.mood = 'half';
    expect(await mesh.calls(60)).toHaveLength(10);
    expect(mesh.gates()).toEqual(['open', 'open', 'open']);
    expect(sumOf(mesh.caller, 'outrigger_would_eject_total')).toBe(1);
    expect(sumOf(mesh.caller, 'outrigger_gate_changes_total')).toBe(0);
  });
});

describe('one of two instances that breaks replies off in their middle', () => {
  const failed = async (mood: Mood, sabotage: readonly Sabotage[] = []): Promise<number[]> => {
    const mesh = await start(2, { policy: { balance: 'round-robin' }, sabotage });
    mesh.apps[0]!.mood = mood;
    return mesh.calls(60);
  };

  it('costs five calls and its trials, by a reset', async () => {
    const codes = await failed('broken');
    expect(codes.length).toBeLessThanOrEqual(6);
    expect(new Set(codes)).toEqual(new Set([grpc.status.INTERNAL]));
  });

  it('costs five calls and its trials, by an end without a status', async () => {
    const codes = await failed('curt');
    expect(codes.length).toBeLessThanOrEqual(6);
    expect(new Set(codes)).toEqual(new Set([grpc.status.UNKNOWN]));
  });

  it('costs no more behind two sidecars, the second of which knows that its app has not answered', async () => {
    for (const [mode, least, most] of [
      ['on', 1, 6],
      ['off', 30, 30], // control
    ] as const) {
      const [broken] = await moodyApps(1);
      broken!.mood = 'broken';
      const mesh = await twoSidecars({
        instances: 2,
        callee: (at) =>
          at === 0 ? { service: { name: 'echo', port: Number(broken!.address.split(':')[1]) } } : {},
        caller: { policies: { echo: { balance: 'round-robin', eject: { mode } } } },
      });
      try {
        const codes: number[] = [];
        for (let at = 0; at < 60; at++) codes.push((await mesh.client.call('Unary', 'm')).code);
        const failed = codes.filter((code) => code !== grpc.status.OK);
        expect(new Set(failed)).toEqual(new Set([grpc.status.INTERNAL]));
        expect(failed.length).toBeGreaterThanOrEqual(least);
        expect(failed.length).toBeLessThanOrEqual(most);
      } finally {
        await mesh.close();
        await broken!.close();
      }
    }
  });

  it('control: without ejection half of all', async () => {
    expect(await failed('broken', ['eject', 'breaker'])).toHaveLength(30);
    expect(await failed('curt', ['eject', 'breaker'])).toHaveLength(30);
  });
});

describe('a service whose every instance fails', () => {
  it('keeps half of them in, and says on the admin port what is shut, why and since when', async () => {
    const mesh = await start(4, { policy: { balance: 'round-robin', breaker: { mode: 'off' } } });
    for (const app of mesh.apps) app.mood = 'unwell';
    expect(await mesh.calls(100)).toEqual(Array(100).fill(grpc.status.UNAVAILABLE));
    expect(mesh.gates().sort()).toEqual(['open', 'open', 'shut', 'shut']);
    const page = (await (await fetch(`http://${mesh.caller.ports.admin}/endpoints`)).json()) as {
      services: object[];
      endpoints: { gate: string; why: string; since: string; failures: number }[];
    };
    expect(page.services).toMatchObject([{ service: 'moody', gate: 'open' }]);
    const shut = page.endpoints.filter(({ gate }) => gate === 'shut');
    expect(shut).toHaveLength(2);
    for (const { why, since, failures } of shut) {
      expect(why).toBe('5 failures in a row, the last: in a mood');
      expect(Math.abs(Date.parse(since) - Date.now())).toBeLessThan(10_000);
      expect(failures).toBe(5);
    }
    expect(sumOf(mesh.caller, 'outrigger_gates', 'state="shut"')).toBe(2);
    expect(sumOf(mesh.caller, 'outrigger_service_gates', 'state="open"')).toBe(1);
  });
});
