import { type Act, type Evidence, noneFailed } from '../act.ts';
import { wallMs } from '../diary.ts';

const instances = ['inventory-1', 'inventory-2'];
/** So that there are always calls under way when one leaves, in milliseconds. */
const lateMs = 100;
/** How long a new instance may take to be known to all, in milliseconds. */
const settleMs = 20_000;

/** A new version comes: one instance after the other leaves and is started anew. */
export const replaced: Act = {
  name: 'replaced',
  title: 'The inventory is replaced, one instance after the other',
  promise: 'no call fails',
  play: async ({ cast, wait, tell, signal }) => {
    for (const name of instances) await cast.member(name).stage.behave({ lateMs });
    await wait(1000);
    const at = wallMs();
    for (const name of instances) {
      const { sidecarPid } = cast.member(name);
      tell(`SIGTERM for the sidecar of ${name} (pid ${sidecarPid}): it leaves, and its calls finish`);
      await cast.replace(name);
      await cast.settled(settleMs, signal);
      tell(`${name} is there again, with a new app (pid ${cast.member(name).appPid})`);
      await wait(1000);
    }
    return { at };
  },
  judge: (evidence) => [...noneFailed(evidence), ...instances.flatMap((name) => idle(evidence, name))],
};

/** A new instance that got no call: then nobody has replaced the old one. */
const idle = ({ books }: Evidence, name: string): string[] =>
  books.get(name)!.lines.some(({ event }) => event === 'served') ? [] : [`the new ${name} served no call`];
