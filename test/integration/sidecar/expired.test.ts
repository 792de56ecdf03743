import { describe, expect, it } from 'vitest';
import type { Attempt } from '../../../sidecar/core/call.ts';
import type { Link } from '../../../sidecar/core/link.ts';
import { Code } from '../../../sidecar/core/status.ts';
import { dialler } from '../../../sidecar/transports/dial.ts';
import { defaultLimits, Loop } from '../../../wire/index.ts';
import { address, FakeEndpoint, newAttempt, run } from '../../support/calls.ts';
import { answerOk, startPlainApp } from '../../support/echo-plain.ts';
import { stillKit } from '../../support/kit.ts';

describe('a call whose time ran out before it was sent', () => {
  it('never reaches the app, though its timer has not fired yet; one in time does', async () => {
    const app = await startPlainApp((stream) => answerOk(stream));
    const kit = stillKit();
    const loop = new Loop({ now: () => kit.clock.now(), heldLimit: 1 << 20 });
    const dial = dialler({
      kit,
      loop,
      limits: defaultLimits,
      identities: null,
      direction: { scheme: 'http', authority: 'caller', token: null },
      connectMs: 1000,
      maxAgeMs: 0,
      drainMs: 1000,
      keepalive: null,
    });
    const link = await new Promise<Link>((resolve) => {
      const made: Link = dial(address(`127.0.0.1:${app.port}`), {
        ready: () => resolve(made),
        room: () => {},
        draining: () => {},
        closed: () => {},
      });
    });
    const send = (leftMs: number) => {
      const attempt = newAttempt(kit.clock, new FakeEndpoint());
      const call = attempt.call.until(kit.clock.now() + leftMs);
      return run<Attempt>((each) => link.send(each), { ...attempt, call });
    };
    try {
      for (const leftMs of [0, -3])
        expect(await send(leftMs)).toMatchObject({
          code: Code.DEADLINE_EXCEEDED,
          from: 'mesh',
          reached: false,
          message: `the deadline passed before the call could be sent to 127.0.0.1:${app.port}`,
        });
      expect(app.seen).toHaveLength(0);
      expect((await send(1000)).code).toBe(Code.OK);
      expect(app.seen).toHaveLength(1);
    } finally {
      link.close('the test is over');
      app.close();
    }
  });
});
