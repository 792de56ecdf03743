import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { type MoodyMesh, moodyMeshes } from '../../support/moody-mesh.ts';

const { OK, UNAVAILABLE } = grpc.status;
const start = moodyMeshes();

/** Of two instances the first breaks off in the middle of each reply, and its connection with it. */
const withOneThatCuts = async (policy: object, replyBytes = 100): Promise<MoodyMesh> => {
  const mesh = await start(2, { policy: { balance: 'round-robin', ...policy } });
  for (const app of mesh.apps) app.replyBytes = replyBytes;
  mesh.apps[0]!.mood = 'cut';
  return mesh;
};

describe('a reply that breaks off after its head', () => {
  it('is followed by another attempt where the method is unary and may be executed twice', async () => {
    const mesh = await withOneThatCuts({ unary: true, idempotent: true });
    expect(await mesh.calls(4)).toEqual([]);
    expect(mesh.apps[0]!.calls).toBeGreaterThan(0);
  });

  it.each([
    ['it may be executed once', { unary: true }],
    ['nobody says that it is unary: its caller may have read what came', { idempotent: true }],
    ['there is to be no other attempt', { unary: true, idempotent: true, retry: { attempts: 1 } }],
  ])('control: is the end where %s', async (_, policy) => {
    const mesh = await withOneThatCuts(policy);
    expect(await mesh.calls(4)).toContain(UNAVAILABLE);
  });

  it('is the end when more had come than is held', async () => {
    const mesh = await withOneThatCuts({ unary: true, idempotent: true }, 40_000);
    expect(await mesh.calls(4)).toContain(UNAVAILABLE);
  });
});

describe('a reply that is longer than what is held', () => {
  it.each([16_378, 16_379, 16_380, 65_535, 1_000_000])('comes whole: %i octets', async (octets) => {
    const mesh = await start(1, { policy: { unary: true, idempotent: true } });
    mesh.apps[0]!.replyBytes = octets;
    const { code, answer } = await mesh.call();
    expect([code, answer?.length]).toEqual([OK, octets]);
  });
});
