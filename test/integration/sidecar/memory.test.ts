import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EchoClient } from '../../support/echo-client.ts';
import { type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

// Without a flag on the command line: collects for real, so that only what is held is measured.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const megabyte = 1024 * 1024;

/** What is held after two collections, the second for what finalizers let go. */
const heldMb = async (): Promise<number> => {
  for (let i = 0; i < 2; i++) {
    collect();
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return (heapUsed + arrayBuffers) / megabyte;
};

/** Calls of all endings, so many at a time, each with an id of its own. */
const load = async (client: EchoClient, calls: number, round: number): Promise<void> => {
  let left = calls;
  const one = async (number: number): Promise<void> => {
    const metadata = [['x-request-id', `${round}-${number}`]] as const;
    if (number % 50 === 0) {
      const { call, ended } = client.begin('Slow', `memory-${round}-${number}`, { metadata });
      // A turn later: cancelled in the same one, grpc-js 1.14 sends HEADERS and never its RST_STREAM, sidecar or not.
      await new Promise<void>((resolve) => void setImmediate(resolve));
      call.cancel();
      await ended;
    } else if (number % 20 === 0)
      await client.call('Fail', { code: 5, message: 'm', details: '' }, { metadata });
    else {
      const { code } = await client.call('Unary', 'm', { metadata, deadlineMs: 60_000 });
      expect(code).toBe(grpc.status.OK);
    }
  };
  const work = async (): Promise<void> => {
    while (left > 0) await one(left--);
  };
  await Promise.all(Array.from({ length: 64 }, work));
};

describe('memory', () => {
  let mesh: TwoSidecars;
  beforeAll(async () => {
    mesh = await twoSidecars();
  });
  afterAll(() => mesh.close());

  const round = async (number: number): Promise<number> => {
    await load(mesh.client, 20_000, number);
    // What the test's own app remembers is not the sidecars'.
    mesh.apps[0]!.seen.length = 0;
    mesh.apps[0]!.cancelled.clear();
    return heldMb();
  };

  it('does not grow with calls made: 2 x 20,000 of them, of all endings', { timeout: 90_000 }, async () => {
    await load(mesh.client, 2000, 0);
    const first = await round(1);
    const second = await round(2);
    // A hundred octets left behind by each call would be two megabytes.
    expect(second - first).toBeLessThan(1);
    expect(mesh.caller.endpoints().map(({ load: waiting }) => waiting)).toEqual([0]);
  });

  it('control: a hundred octets kept for each call are seen', async () => {
    const kept: Buffer[] = [];
    const before = await heldMb();
    for (let i = 0; i < 20_000; i++) kept.push(Buffer.alloc(100));
    expect((await heldMb()) - before).toBeGreaterThan(1);
    expect(kept).toHaveLength(20_000);
  });
});
