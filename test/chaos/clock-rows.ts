import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { faketime, leaping, skewed } from '../support/faketime.ts';
import { failures } from '../support/steady-load.ts';
import { Fleet } from './fleet.ts';
import { against, failedSince, played, type Told } from './partial.ts';
import { milliseconds, type Row } from './row.ts';

const instances = 2;
const leaps = ['+5m', '-5m', '+1h', '+0'];

/** The wall clock of one sidecar leaps, again and again, while it is called. */
const leapt = (eachMs: number, library: string): Promise<Told> =>
  played(
    () => Fleet.open(instances),
    async (fleet, load) => {
      const directory = mkdtempSync(join(tmpdir(), 'outrigger-clock-'));
      const file = join(directory, 'faketime');
      const say = (words: string): void => writeFileSync(file, `${words}\n`);
      try {
        say('+0');
        const [member] = fleet.members;
        await fleet.leave(member!);
        await fleet.restart(member!, 'sidecar', leaping(library, file));
        await fleet.settled(instances);
        const from = load.codes.length;
        for (const words of leaps) {
          say(words);
          await pause(eachMs);
        }
        await load.stop();
        const failed = failedSince(load, from);
        const longest = Math.max(...load.latencies.slice(from));
        return {
          figures: `${failed} of ${load.codes.length - from} failed, ${failures(load.codes.slice(0, from)).length} while it was started again, the longest ${milliseconds(longest)}`,
          kept: failed === 0 && failures(load.codes.slice(0, from)).length === 0 && longest <= 1050,
        };
      } finally {
        rmSync(directory, { recursive: true });
      }
    },
  );

/** The only instance stands an hour behind: to it certificates of today begin in an hour. */
const behind = (library: string): Promise<Told> =>
  played(
    () => Fleet.open(1),
    async (fleet, load) => {
      const [member] = fleet.members;
      await fleet.leave(member!);
      await fleet.restart(member!, 'sidecar', skewed(library, '-1h'));
      await pause(1000);
      const from = load.codes.length;
      await pause(1000);
      await load.stop();
      const failed = failedSince(load, from);
      return {
        figures: `an hour behind from the start: ${failed} of ${load.codes.length - from} failed`,
        kept: failed === 0,
      };
    },
  );

/** What wrong clocks do to calls. */
export const clockRows: readonly Row[] = [
  {
    id: 'T-33',
    fault: "one sidecar's clock leaps by minutes and hours",
    promise: '0 failed, none ended early or late',
    async run(short) {
      const library = faketime();
      if (library === null)
        return {
          measured: 'skipped: there is no libfaketime (LIBFAKETIME names it)',
          control: '',
          kept: true,
        };
      return against(
        () => leapt(short ? 1500 : 10_000, library),
        () => behind(library),
      );
    },
  },
];
