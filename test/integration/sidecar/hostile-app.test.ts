import { describe, expect, it } from 'vitest';
import { besideAttack } from '../../support/hostile-app.ts';

/** More than any test sends: the limit is as good as gone. */
const noLimit = { 'reset-sample': 1_000_000 };

describe('an app that turns against its sidecar', () => {
  it.each(['resets, and dials again', 'hangs up, and dials again'])(
    'and %s, is held back: no other call fails, and the peer keeps its connections',
    async (attack) => {
      const seen = await besideAttack(attack);
      expect(seen.complaints).toEqual([]);
      expect(seen.calls).toBeGreaterThan(150);
      expect(seen.breaches).toBeGreaterThan(5);
      expect([seen.peerBreaches, seen.peerConnections <= 4]).toEqual([0, true]);
    },
  );

  it.each(['resets, and dials again', 'hangs up, and dials again'])(
    'control: without the limit one that %s costs all others their connection to the peer',
    async (attack) => {
      const seen = await besideAttack(attack, noLimit);
      expect(seen.peerBreaches).toBeGreaterThan(0);
      expect(seen.failed).toBeGreaterThan(0);
    },
  );

  it.each([
    'settings',
    'pings',
    'priorities',
    'empty data',
    'window updates',
    'continuation',
    'bomb',
    'made to reset',
    'large message',
  ])(
    'floods it with %s: a limit is broken, no other call fails, and no peer sees any of it',
    async (attack) => {
      const seen = await besideAttack(attack);
      expect(seen.complaints).toEqual([]);
      expect(seen.breaches).toBeGreaterThan(0);
      expect([seen.peerBreaches, seen.peerConnections]).toEqual([0, 1]);
    },
  );
});
