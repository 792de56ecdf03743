import { setTimeout as pause } from 'node:timers/promises';
import { Flag, FrameType } from '../../wire/frames.ts';
import { block, frame, RawPeer, requestFields, rst } from '../support/raw-http2.ts';
import type { AttackReport } from './attacks.ts';

/** How long these attacks go on, in milliseconds. */
const attackMs = 1500;
/** Connections at a time. */
const atOnce = 3;

const toEcho: Readonly<Record<string, string>> = { inventory: 'echo', '/t.S/Echo': '/interop.Echo/Unary' };
const beginning = block(...requestFields.map((text) => toEcho[text] ?? text));
const call = (id: number): Buffer => frame(FrameType.HEADERS, Flag.END_HEADERS, id, beginning);
const ids = (from: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => 2 * (from + i) + 1);

/** Resolves when the connection is over, or after `ms`. */
const over = async (peer: RawPeer, ms: number): Promise<void> => {
  for (const end = performance.now() + ms; !peer.closed && performance.now() < end; ) await pause(1);
};

/** Does `each` with connections to a sidecar that knows `echo`, and dials again whenever one is done. */
const again =
  (each: (peer: RawPeer) => Promise<void>) =>
  async (port: number): Promise<AttackReport> => {
    const end = performance.now() + attackMs;
    const one = async (): Promise<void> => {
      while (performance.now() < end) {
        const peer = await RawPeer.dial(port).catch(() => null);
        if (peer === null) continue;
        await each(peer);
        peer.close();
      }
    };
    await Promise.all(Array.from({ length: atOnce }, one));
    return { closedMs: -1, sentOctets: 0, goaway: -1 };
  };

/** Attacks on what all apps of a sidecar share: its connections to peers. */
export const callAttacks: Readonly<Record<string, (port: number) => Promise<AttackReport>>> = {
  'resets, and dials again': again(async (peer) => {
    for (let turn = 0; turn < 40 && !peer.closed; turn++) {
      peer.send(...ids(50 * turn, 50).flatMap((id) => [call(id), rst(id, 8)]));
      await over(peer, 1);
    }
    await over(peer, 50);
  }),
  'hangs up, and dials again': again(async (peer) => {
    peer.send(...ids(0, 400).map(call));
    await over(peer, 15);
  }),
};
