import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { withoutId } from '../../support/baggage.ts';
import { callCircle } from '../../support/call-circle.ts';
import { tenKilobytesOfFlags } from '../../support/odd-metadata.ts';

describe('two services that call each other in a circle', () => {
  it('are ended after 16 hops by the sidecar that the next would leave by', async () => {
    const { ended, reached, refused, baggage } = await callCircle({ giveUpAt: 60 });
    expect(ended.code).toBe(grpc.status.RESOURCE_EXHAUSTED);
    expect(decodeURI(ended.message)).toMatch(
      /^outrigger left: the call has come through 16 services, and may come through 16 \(set by limits\.hops\)/,
    );
    expect([reached, refused]).toEqual([16, 1]);
    expect(baggage.map(withoutId)).toEqual(Array.from({ length: 16 }, (_, at) => `outrigger.hops=${at + 1}`));
  });

  it('are ended where the settings say', async () => {
    const { ended, reached } = await callCircle({ giveUpAt: 60, limits: { hops: 3 } });
    expect([ended.code, reached]).toEqual([grpc.status.RESOURCE_EXHAUSTED, 3]);
    expect(decodeURI(ended.message)).toMatch(/^outrigger right: the call has come through 3 services/);
  });

  it('gain nothing by baggage that is too long, or that counts anew behind', async () => {
    const flags = tenKilobytesOfFlags;
    expect(flags.length).toBeGreaterThan(8192);
    const long = await callCircle({
      giveUpAt: 60,
      first: flags,
      passOn: (text) => `${text},outrigger.hops=0`,
    });
    expect([long.ended.code, long.reached, long.refused]).toEqual([grpc.status.RESOURCE_EXHAUSTED, 16, 1]);
    // The first hop's flags went all the way, as far as baggage may be long.
    expect(withoutId(long.baggage.at(-1))).toMatch(/^outrigger\.hops=16,ff\.flag-0=a-variant,/);
    expect(long.baggage.at(-1)!.length).toBeLessThanOrEqual(8192);
  });

  it('control: apps that pass no baggage on go round until they give up themselves', async () => {
    const { ended, reached, refused } = await callCircle({ giveUpAt: 60, passOn: () => '' });
    expect([ended.code, reached, refused]).toEqual([grpc.status.ABORTED, 60, 0]);
  });
});
