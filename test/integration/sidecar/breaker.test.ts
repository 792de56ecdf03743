import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type MoodyMesh, moodyMeshes } from '../../support/moody-mesh.ts';
import { sumOf } from '../../support/sidecars.ts';

const start = moodyMeshes();

const refusals = ({ caller }: MoodyMesh): number => sumOf(caller, 'outrigger_breaker_refused_total');

/** Milliseconds until a call goes well, asking every 20 ms. */
const untilWell = async ({ call }: MoodyMesh): Promise<number> => {
  const begun = performance.now();
  await eventually(async () => (await call()).code === grpc.status.OK, 'a call that goes well');
  return performance.now() - begun;
};

describe('a service of which all instances die', () => {
  it('is refused after five calls, at once and with a time to come back; one that lives again opens it', async () => {
    const mesh = await start(3);
    expect(await mesh.calls(30)).toEqual([]);
    for (const app of mesh.apps) await app.die();
    const failed = await mesh.calls(5);
    expect(failed).toEqual(Array(5).fill(grpc.status.UNAVAILABLE));
    expect([mesh.gate(), refusals(mesh)]).toEqual(['shut', 0]);

    const dials = sumOf(mesh.caller, 'outrigger_dials_total');
    const tookMs: number[] = [];
    for (let at = 0; at < 200; at++) {
      const begun = performance.now();
      const { code, message, trailers } = await mesh.call();
      tookMs.push(performance.now() - begun);
      expect(code).toBe(grpc.status.UNAVAILABLE);
      expect(message).toContain("the gate of service 'moody' is shut: 5 failures in a row");
      expect(Number(trailers.get('grpc-retry-pushback-ms')[0])).toBeGreaterThan(0);
    }
    expect(tookMs.sort((a, b) => a - b)[100]).toBeLessThan(5); // the client's own time included
    expect(refusals(mesh)).toBe(200);
    // They cost nothing: what is dialled meanwhile is dialled in the background, three a second.
    expect(sumOf(mesh.caller, 'outrigger_dials_total') - dials).toBeLessThan(20);

    const [one] = mesh.apps;
    one!.mostAtOnce = 0;
    await one!.live();
    expect(await untilWell(mesh)).toBeLessThan(2000);
    expect(one!.mostAtOnce).toBe(1);
    expect(mesh.gate()).toBe('open');
    expect(await mesh.calls(50)).toEqual([]);
  });
});

describe('a service whose only instance fails', () => {
  it('is spared: five calls reach it, then one probe a second; control: all do', async () => {
    for (const [sabotage, reached] of [
      [[], 5],
      [['breaker'], 60],
    ] as const) {
      const mesh = await start(1, { sabotage });
      const [app] = mesh.apps;
      app!.mood = 'unwell';
      expect(await mesh.calls(60)).toHaveLength(60);
      expect(app!.calls).toBe(reached);
      expect(mesh.gates()).toEqual(['open']); // never the last
    }
  });

  it('is shut for all that it leaves without an answer, and open within two seconds of the end of it', async () => {
    const mesh = await start(1);
    const [app] = mesh.apps;
    app!.mood = 'silent';
    expect(await mesh.calls(5, 50)).toEqual(Array(5).fill(grpc.status.DEADLINE_EXCEEDED));
    expect(mesh.gate()).toBe('shut');
    app!.mostAtOnce = 0;
    const checks = app!.checks;
    await eventually(() => app!.checks === checks + 2, 'two probes');
    expect(app!.mostAtOnce).toBe(1);
    app!.mood = 'well';
    expect(await untilWell(mesh)).toBeLessThan(2000);
  });

  it('gets one call on trial where it does not serve health, however many want to go', async () => {
    const mesh = await start(1);
    const [app] = mesh.apps;
    app!.servesHealth = false;
    app!.mood = 'unwell';
    await mesh.calls(10);
    await eventually(() => mesh.gate() === 'probing', 'a gate that puts a call on trial');
    const before = app!.calls;
    app!.mood = 'silent';
    const waiting = Array.from({ length: 20 }, () => mesh.call(300));
    const codes = (await Promise.all(waiting)).map(({ code }) => code);
    expect(codes.filter((code) => code === grpc.status.DEADLINE_EXCEEDED)).toHaveLength(1);
    expect(codes.filter((code) => code === grpc.status.UNAVAILABLE)).toHaveLength(19);
    expect(app!.calls - before).toBe(1);
    app!.mood = 'well';
    expect(await untilWell(mesh)).toBeLessThan(2000);
  });

  it('shadow: what would have been refused is told, and every call is sent', async () => {
    const mesh = await start(1, { policy: { breaker: { mode: 'shadow' } } });
    mesh.apps[0]!.mood = 'unwell';
    await mesh.calls(30);
    expect(mesh.apps[0]!.calls).toBe(30);
    expect(sumOf(mesh.caller, 'outrigger_would_break_total')).toBe(1);
  });
});

describe('a service that refuses most calls because it has too much to do', () => {
  it.each([
    ['on', true],
    ['shadow', false],
  ] as const)('is spared some of them when the throttle is %s: %s', async (mode, spared) => {
    const mesh = await start(1, { policy: { throttle: { mode } } });
    mesh.apps[0]!.mood = 'busy';
    expect(await mesh.calls(200)).toEqual(Array(200).fill(grpc.status.RESOURCE_EXHAUSTED));
    expect(mesh.apps[0]!.calls < 150).toBe(spared);
    const name = spared ? 'outrigger_throttled_total' : 'outrigger_would_throttle_total';
    expect(sumOf(mesh.caller, name)).toBeGreaterThan(50);
    expect(mesh.gate()).toBe('open');
  });
});
