import type { Sidecar } from '../../sidecar/index.ts';
import type { EchoClient } from './echo-client.ts';
import { type FaultProxy, faultProxy } from './fault-proxy.ts';
import { type SettingsWords, type TwoSidecars, twoSidecars } from './sidecars.ts';

/** A caller whose every way to an instance of `echo` leads over a line that can go wrong. */
export interface LinedMesh {
  readonly mesh: TwoSidecars;
  /** One for each instance, in the order of `mesh.apps`. */
  readonly lines: readonly FaultProxy[];
  readonly caller: Sidecar;
  readonly client: EchoClient;
  close(): Promise<void>;
}

/** Starts it: sidecars and apps in this process, mutual TLS between them. `words` are laid over the caller's settings. */
export const linedMesh = async (
  instances: number,
  words: SettingsWords = {},
  callee: SettingsWords = {},
): Promise<LinedMesh> => {
  const mesh = await twoSidecars({ instances, callee });
  const lines: FaultProxy[] = [];
  const close = async (): Promise<void> => {
    await mesh.close();
    await Promise.all(lines.map((line) => line.close()));
  };
  try {
    for (const { ports } of mesh.callees) lines.push(await faultProxy(ports.peers!));
    const discovery = { static: { services: { echo: lines.map(({ address }) => address) } } };
    const caller = await mesh.addCaller('orders', { ...words, discovery });
    const client = mesh.connect('echo', { target: caller.ports.app });
    return { mesh, lines, caller, client, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
};
