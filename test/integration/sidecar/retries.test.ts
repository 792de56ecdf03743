import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

const { OK, UNAVAILABLE } = grpc.status;

let mesh: TwoSidecars;
afterEach(() => mesh.close());

/** What a policy for `echo` says; round robin, so that both instances are met. */
const start = async (policy: object, instances = 2): Promise<TwoSidecars> => {
  mesh = await twoSidecars({ instances, caller: { balance: 'round-robin', policies: { echo: policy } } });
  return mesh;
};

/** So many calls one after another: their codes. Fewer than five at the one that fails, so that its gate stays open. */
const codesOf = async (calls: number, request: string | Buffer = 'm'): Promise<number[]> => {
  const codes: number[] = [];
  for (let i = 0; i < calls; i++) codes.push((await mesh.client.call('Unary', request)).code);
  return codes;
};

const kinds = (kind: string): number => sumOf(mesh.caller, 'outrigger_retries_total', `kind="${kind}"`);
const refused = (reason: string): number =>
  sumOf(mesh.caller, 'outrigger_retries_refused_total', `reason="${reason}"`);

describe('a call that an app has seen and failed', () => {
  it('is answered by another instance where it may be executed twice', async () => {
    await start({ idempotent: true });
    mesh.apps[0]!.failing = UNAVAILABLE;
    expect(await codesOf(4)).toEqual(Array(4).fill(OK));
    expect(mesh.apps[0]!.failed).toBeGreaterThanOrEqual(3); // round robin: all calls, but perhaps for the first
    expect([kinds('retry'), kinds('transparent')]).toEqual([mesh.apps[0]!.failed, 0]);
  });

  it('control: fails where nothing says so: it is executed once at most', async () => {
    await start({});
    mesh.apps[0]!.failing = UNAVAILABLE;
    expect((await codesOf(8)).sort()).toEqual([...Array(4).fill(OK), ...Array(4).fill(UNAVAILABLE)]);
    expect(mesh.apps.map(({ seen }) => seen.length)).toEqual([4, 4]);
    expect(kinds('retry')).toBe(0);
  });

  it('tells app and caller how many attempts went before', async () => {
    await start({ idempotent: true });
    const previous = (of: grpc.Metadata): unknown => of.get('grpc-previous-rpc-attempts')[0];
    const first = await mesh.client.call('Unary', 'm');
    expect(previous(first.headers)).toBeUndefined();
    mesh.apps[0]!.failing = UNAVAILABLE;
    await mesh.client.call('Unary', 'm');
    const second = await mesh.client.call('Unary', 'm'); // at the one that fails first, whatever was before
    expect(previous(second.headers)).toBe('1');
    expect(previous(mesh.apps[0]!.seen.at(-1)!.metadata)).toBeUndefined();
    expect(previous(mesh.apps[1]!.seen.at(-1)!.metadata)).toBe('1');
  });

  it('is not tried again in vain: a deadline that no wait fits into is the end', async () => {
    await start({ idempotent: true, retry: { 'first-wait': '3s', 'longest-wait': '3s' } }, 1);
    mesh.apps[0]!.failing = UNAVAILABLE;
    const begun = Date.now();
    const { code } = await mesh.client.call('Unary', 'm', { deadlineMs: 2000 });
    expect([code, refused('deadline')]).toEqual([UNAVAILABLE, 1]);
    expect(Date.now() - begun).toBeLessThan(1500);
  });
});

describe('what an app says of trying again', () => {
  it('is do not', async () => {
    await start({ idempotent: true });
    Object.assign(mesh.apps[0]!, { failing: UNAVAILABLE, pushback: '-1' });
    expect((await codesOf(4)).sort()).toEqual([OK, OK, UNAVAILABLE, UNAVAILABLE]);
    expect([refused('pushback'), kinds('retry')]).toEqual([2, 0]);
  });

  it('is when: no sooner, and not much later', async () => {
    await start({ idempotent: true }, 1);
    Object.assign(mesh.apps[0]!, { failing: UNAVAILABLE, pushback: '400' });
    const begun = Date.now();
    const call = mesh.client.call('Unary', 'm');
    while (mesh.apps[0]!.failed === 0) await new Promise((next) => setImmediate(next));
    mesh.apps[0]!.failing = null;
    expect((await call).code).toBe(OK);
    expect(Date.now() - begun).toBeGreaterThanOrEqual(400);
    expect(Date.now() - begun).toBeLessThan(4000);
  });
});

describe('a stream', () => {
  const talk = async (messages: number): Promise<{ code: number; echoed: number }> => {
    const stream = mesh.client.bidi();
    for (let i = 0; i < messages; i++) stream.call.write(Buffer.alloc(1000, i));
    setTimeout(() => stream.call.end(), 150); // the other attempt has begun by then, and hears the end as it comes
    return { code: (await stream.ended).code, echoed: stream.messages.length };
  };

  it('is begun again at another instance with all that was said, and goes on there', async () => {
    await start({ idempotent: true });
    mesh.apps[0]!.failing = UNAVAILABLE;
    expect([await talk(20), await talk(20)]).toEqual(Array(2).fill({ code: OK, echoed: 20 }));
    expect(kinds('retry')).toBe(mesh.apps[0]!.failed);
    expect(mesh.apps[0]!.failed).toBeGreaterThan(0);
  });

  it('control: fails where it may not be begun twice', async () => {
    await start({});
    mesh.apps[0]!.failing = UNAVAILABLE;
    const codes = [await talk(20), await talk(20)].map(({ code }) => code);
    expect(codes.sort()).toEqual([OK, UNAVAILABLE]);
  });
});

describe('a request that is longer than its recording', () => {
  it('is committed: what an app has seen of it is not sent again', async () => {
    await start({ idempotent: true });
    mesh.apps[0]!.failing = UNAVAILABLE;
    expect((await codesOf(4, Buffer.alloc(200_000))).sort()).toEqual([OK, OK, UNAVAILABLE, UNAVAILABLE]);
    expect(kinds('retry')).toBe(0);
  });

  it('control: one that fits is', async () => {
    await start({ idempotent: true });
    mesh.apps[0]!.failing = UNAVAILABLE;
    expect(await codesOf(4, Buffer.alloc(60_000))).toEqual(Array(4).fill(OK));
    expect(kinds('retry')).toBeGreaterThanOrEqual(3);
  });
});

describe('a storm: every call to a service fails', () => {
  /** How many attempts the app saw of 300 calls. */
  const storm = async (budget: object): Promise<number> => {
    await start({ idempotent: true, budget }, 1);
    mesh.apps[0]!.failing = UNAVAILABLE;
    await Promise.all(Array.from({ length: 300 }, () => mesh.client.call('Unary', 'm')));
    return mesh.apps[0]!.failed;
  };

  it('is bounded: a tenth of the calls and two a second come on top', async () => {
    expect(await storm({})).toBe(300 + 30 + 20);
    expect(refused('budget')).toBe(300);
  });

  it('control: without the budget it is three times the calls', async () => {
    expect(await storm({ mode: 'off' })).toBe(900);
  });

  it('in shadow it is as without, and what would be refused is counted', async () => {
    expect(await storm({ mode: 'shadow' })).toBe(900);
    expect(refused('budget-shadow')).toBeGreaterThan(500);
  });
});
