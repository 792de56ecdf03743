import type { ConsulDoor } from '../../consul/door.ts';
import { KvTree, noRight } from '../kv-tree.ts';
import type { Source } from '../source.ts';
import { LastGood, type LastGoodOptions } from './last-good.ts';

/** What the source of definitions in KV needs. */
export interface KvFlagsOptions extends Pick<LastGoodOptions, 'read' | 'compile' | 'kit'> {
  readonly door: Pick<ConsulDoor, 'kv' | 'look' | 'polls' | 'url'>;
  readonly signal: AbortSignal;
}

const key = 'outrigger/flags';

/** Definitions of flags from Consul's KV, one document at `outrigger/flags`. */
export const kvFlagsSource = ({ door, read, compile, kit, signal }: KvFlagsOptions): Source => {
  const lastGood = new LastGood({ from: 'kv', key, read, compile, kit });
  const tree = new KvTree({
    door,
    kit,
    signal,
    prefix: key,
    kind: 'flags',
    // What only begins alike is somebody else's.
    hear: (entries) => {
      const entry = entries.find(({ Key }) => Key === key);
      const text = entry === undefined ? null : Buffer.from(entry.Value ?? '', 'base64').toString('utf8');
      void lastGood.hear(text === '' ? null : text);
    },
    rightChanged: () => lastGood.unreadable(tree.mayRead === false ? noRight : null),
  });
  return {
    slice: lastGood.slice,
    want: () => {},
    describe: () => '',
    trouble: () => tree.trouble(),
    close: () => {
      lastGood.close();
      tree.close();
    },
  };
};
