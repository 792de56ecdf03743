import { describe, expect, it } from 'vitest';
import { broken, Code, ok } from '../../../sidecar/core/status.ts';
import { traceAttempt } from '../../../sidecar/filters/trace-attempt.ts';
import { answer, FakeEndpoint, HeldReply, newAttempt, settled } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';
import { NotedTracer } from '../../support/noted-tracer.ts';

keepsTheFilterContract('traceAttempt', {
  make: () => traceAttempt(),
  call: ({ clock }) => newAttempt(clock, new FakeEndpoint()),
  refused: {},
});

const traced = (noted: NotedTracer) => {
  const { clock } = stillKit();
  const attempt = newAttempt(clock, new FakeEndpoint());
  const span = noted.begin(attempt.call, { direction: 'outbound', service: 'inventory', isRoot: false });
  return { ...attempt, call: attempt.call.traced(span, span.traceparent) };
};

describe('traceAttempt', () => {
  it('makes the attempt the parent of what its peer does', async () => {
    const noted = new NotedTracer();
    const passed: string[] = [];
    const reply = await traceAttempt()(traced(noted), ({ call }) => {
      passed.push(call.traceparent);
      return answer(broken('it is gone', false));
    });
    expect(passed).toEqual(['span 1 attempt 1']);
    expect(noted.begun[0]!.attempts[0]!.ends).toEqual([reply.over]);
  });

  it('ends with the call where the reply has begun', async () => {
    const noted = new NotedTracer();
    const attempt = traced(noted);
    const held = new HeldReply(attempt.call.life);
    expect(await traceAttempt()(attempt, () => Promise.resolve(held))).toBe(held);
    expect(noted.begun[0]!.attempts[0]!.ends).toEqual([]);
    held.end(ok);
    expect(noted.begun[0]!.attempts[0]!.ends).toEqual([ok]);
  });

  it('ends when something below is broken', async () => {
    const noted = new NotedTracer();
    const serve = traceAttempt()(traced(noted), () => Promise.reject(new Error('a bug below')));
    await expect(serve).rejects.toThrow('a bug below');
    await settled();
    expect(noted.begun[0]!.attempts[0]!.ends.map(({ code }) => code)).toEqual([Code.INTERNAL]);
  });

  it('passes a call that is not sampled as it is', async () => {
    const attempt = newAttempt(stillKit().clock, new FakeEndpoint());
    await traceAttempt()(attempt, (next) => {
      expect(next).toBe(attempt);
      return answer();
    });
  });
});
