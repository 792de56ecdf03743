import { describe, expect, it } from 'vitest';
import { Code, ok, refused } from '../../../sidecar/core/status.ts';
import type { CallFacts } from '../../../sidecar/core/trace.ts';
import { trace } from '../../../sidecar/filters/trace.ts';
import { answer, HeldReply, newCall, run } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';
import { NotedTracer } from '../../support/noted-tracer.ts';

const sampled = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

keepsTheFilterContract('trace', {
  make: () => trace(new NotedTracer().tracing(), 'outbound'),
  call: ({ clock }) => newCall(clock),
  refused: {},
});

/** A call as correlate hands it down: with the traceparent that came, or with one that was made. */
const called = (came: string, kit = stillKit()) =>
  newCall(kit.clock, { caller: 'web', words: { traceparent: came, service: 'orders' } }).identified(
    'id-1',
    came === '' ? sampled.replace(/01$/, '00') : came,
    '',
    '',
  );

const factsOf = async (direction: CallFacts['direction'], came: string): Promise<CallFacts> => {
  const noted = new NotedTracer();
  await run((call) => trace(noted.tracing(), direction)(call, () => answer()), called(came));
  return noted.begun[0]!.facts;
};

describe('trace', () => {
  it('makes its span the parent of what comes after', async () => {
    const noted = new NotedTracer();
    let passed = '';
    await run(
      (call) =>
        trace(noted.tracing(), 'outbound')(call, (next) => {
          passed = next.traceparent;
          return answer();
        }),
      called(sampled),
    );
    expect(passed).toBe('span 1');
    expect(noted.begun[0]!.ends).toEqual([ok]);
  });

  it('asks by the parent that came, and of a trace that begins here by the id that was made for it', async () => {
    const asked: [string, boolean][] = [];
    const noted = new NotedTracer((...words) => asked.push(words) < 0);
    const serve = trace(noted.tracing(), 'outbound');
    const [child, root] = [called(sampled), called('')];
    const passed: unknown[] = [];
    for (const call of [child, root])
      await run(
        (each) =>
          serve(each, (next) => {
            passed.push(next);
            return answer();
          }),
        call,
      );
    expect(asked).toEqual([
      [sampled, false],
      [root.traceparent, true],
    ]);
    expect(passed).toEqual([child, root]); // not sampled: the very same call
    expect(noted.begun).toEqual([]);
  });

  it('names the service that is called on the way out, the caller on the way in', async () => {
    expect(await factsOf('outbound', sampled)).toEqual({
      direction: 'outbound',
      service: 'orders',
      isRoot: false,
    });
    expect(await factsOf('inbound', '')).toEqual({ direction: 'inbound', service: 'web', isRoot: true });
  });

  it('tells of a refusal with its reason', async () => {
    const noted = new NotedTracer();
    const no = refused(Code.PERMISSION_DENIED, 'no intention lets web in');
    await run((call) => trace(noted.tracing(), 'inbound')(call, () => answer(no)), called(sampled));
    expect(noted.begun[0]!.ends).toEqual([no]);
  });

  it('ends the span with the call, not with the beginning of its reply', async () => {
    const noted = new NotedTracer();
    const call = called(sampled);
    const held = new HeldReply(call.life);
    await trace(noted.tracing(), 'outbound')(call, () => Promise.resolve(held));
    expect(noted.begun[0]!.ends).toEqual([]);
    held.end(ok);
    expect(noted.begun[0]!.ends).toEqual([ok]);
  });

  it('ends it once when something below is broken', async () => {
    const noted = new NotedTracer();
    const bug = new Error('a bug below');
    const call = called(sampled);
    const serve = trace(noted.tracing(), 'outbound');
    expect(() =>
      serve(call, () => {
        throw bug;
      }),
    ).toThrow(bug);
    call.life.settle(ok);
    expect(noted.begun[0]!.ends.map(({ code }) => code)).toEqual([Code.INTERNAL]);
  });
});
