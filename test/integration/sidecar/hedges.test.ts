import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../../support/raw-http2.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

const { OK, DEADLINE_EXCEEDED, UNAVAILABLE } = grpc.status;

const never = Number.POSITIVE_INFINITY;

let mesh: TwoSidecars;
afterEach(() => mesh.close());

const start = async (policy: object, limits: object = {}): Promise<TwoSidecars> => {
  mesh = await twoSidecars({
    instances: 2,
    caller: { balance: 'round-robin', limits, policies: { echo: { idempotent: true, ...policy } } },
  });
  return mesh;
};

const hedges = (): number => sumOf(mesh.caller, 'outrigger_retries_total', 'kind="hedge"');
const won = (): number => sumOf(mesh.caller, 'outrigger_hedges_won_total');

describe('an instance that is silent', () => {
  it('costs its calls the delay of a hedge; the attempts there are reset, and its app sees it', async () => {
    await start({ hedge: { after: '50ms' } });
    mesh.apps[0]!.delayMs = never;
    const silent = mesh.apps[0]!;
    for (let i = 0; silent.seen.length < 3; i++) {
      const { code, answer } = await mesh.client.call('Unary', `call-${i}`, { deadlineMs: 10_000 });
      expect([code, String(answer)]).toEqual([OK, `call-${i}`]);
    }
    await until(() => silent.cancelled.size === silent.seen.length, 'the app to hear that nobody waits');
    expect(won()).toBeGreaterThan(0);
    expect(hedges()).toBeGreaterThanOrEqual(won());
    expect(mesh.caller.endpoints().map(({ gate }) => gate)).toEqual(['open', 'open']);
    expect(mesh.caller.endpoints().map(({ load }) => load)).toEqual([0, 0]);
    expect(sumOf(mesh.caller, 'outrigger_calls_in_flight')).toBe(0);
  });

  it('control: without hedges its calls last until their deadline', async () => {
    await start({});
    mesh.apps[0]!.delayMs = never;
    const codes: number[] = [];
    for (let i = 0; i < 2; i++)
      codes.push((await mesh.client.call('Unary', `call-${i}`, { deadlineMs: 1500 })).code);
    expect(codes.sort()).toEqual([OK, DEADLINE_EXCEEDED]);
  });

  it('ends with its call when both are silent: both apps hear of it at once', async () => {
    await start({ hedge: { after: '50ms' } });
    for (const app of mesh.apps) app.delayMs = never;
    const { call, ended } = mesh.client.begin('Unary', 'both');
    await until(() => mesh.apps.every(({ seen }) => seen.length === 1), 'both attempts');
    call.cancel();
    await ended;
    await until(() => mesh.apps.every(({ cancelled }) => cancelled.has('both')), 'both to hear');
    expect(sumOf(mesh.caller, 'outrigger_calls_in_flight')).toBe(0);
  });
});

describe('a hedge that loses', () => {
  it('is reset as soon as the first answers, and its app sees it', async () => {
    await start({ hedge: { after: '400ms' } });
    for (const app of mesh.apps) app.delayMs = 1000; // the first has a head start of 400
    const { code, answer } = await mesh.client.call('Unary', 'm');
    expect([code, String(answer)]).toEqual([OK, 'm']);
    const losers = () => mesh.apps.filter(({ cancelled }) => cancelled.has('m'));
    await until(() => losers().length === 1, 'one of the apps to hear that nobody waits');
    expect([hedges(), won()]).toEqual([1, 0]);
    expect(mesh.caller.endpoints().map(({ gate }) => gate)).toEqual(['open', 'open']);
  });

  it('leaves room for the next calls: no stream and no recording is kept', async () => {
    await start({ hedge: { after: '30ms' }, budget: { mode: 'off' } }, { 'recording-process': '512KiB' });
    mesh.apps[0]!.delayMs = never;
    const request = Buffer.alloc(20_000, 7);
    // There is room for 26 recordings: were one kept for each call, later ones could not be hedged.
    for (let round = 0; round < 10; round++) {
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => mesh.client.call('Unary', request, { deadlineMs: 10_000 })),
      );
      expect(answers.filter(({ code, answer }) => code !== OK || !answer!.equals(request))).toEqual([]);
    }
    expect(mesh.caller.endpoints().map(({ load }) => load)).toEqual([0, 0]);
  });
});

describe('an instance that fails', () => {
  it('costs a hedged call no delay: the next attempt begins at once', async () => {
    await start({ hedge: { after: '5s' } });
    mesh.apps[0]!.failing = UNAVAILABLE;
    const begun = Date.now();
    for (let i = 0; i < 4; i++) expect((await mesh.client.call('Unary', 'm')).code).toBe(OK);
    expect(Date.now() - begun).toBeLessThan(4000);
    expect(mesh.apps[0]!.failed).toBeGreaterThanOrEqual(3);
  });
});

describe('a stream from the caller', () => {
  it('is not hedged, for nobody knows what it will still say', async () => {
    await start({ hedge: { after: '30ms' } });
    const stream = mesh.client.bidi();
    stream.call.write(Buffer.from('one'));
    await until(() => stream.messages.length === 1, 'the echo');
    await new Promise((next) => setTimeout(next, 150));
    stream.call.end();
    expect((await stream.ended).code).toBe(OK);
    expect(hedges()).toBe(0);
    expect(mesh.apps.reduce((sum, { seen }) => sum + seen.length, 0)).toBe(1);
  });
});

describe('a storm of hedges', () => {
  const storm = async (budget: object): Promise<number> => {
    await start({ hedge: { after: '20ms' }, budget });
    for (const app of mesh.apps) app.delayMs = never;
    await Promise.all(
      Array.from({ length: 100 }, (_, i) => mesh.client.call('Unary', `${i}`, { deadlineMs: 1000 })),
    );
    return hedges();
  };

  it('is bounded by the same budget as retries', async () => {
    expect(await storm({})).toBe(10 + 20);
  });

  it('control: without it every call is hedged', async () => {
    expect(await storm({ mode: 'off' })).toBe(100);
  });
});
