import { Cell } from '../core/cell.ts';
import type { Kit } from '../core/kit.ts';
import type { Slice } from '../core/snapshot.ts';
import { messageOf } from '../core/thrown.ts';
import { watchFiles } from '../core/watch-files.ts';
import type { Source } from './source.ts';
import { describeStatic, type StaticWords, staticSlice } from './static.ts';

/** What the source `file` needs. */
export interface FileSourceOptions {
  /** The settings file. */
  readonly path: string;
  /** Reads the file again; throws, or rejects with, an error that names file, line and column. Settings own it. */
  readonly load: () => StaticWords | Promise<StaticWords>;
  /** What the file said when the sidecar started from it. */
  readonly words: StaticWords;
  readonly kit: Kit;
  readonly signal: AbortSignal;
}

/**
 * Services, intentions, flags and policies from the settings file, read again when it changes. A file that cannot
 * be read or understood changes nothing; it is logged with the place of the mistake, and counted.
 */
export const fileSource = (options: FileSourceOptions): Source => {
  const { path, load, words, kit, signal } = options;
  const slice = new Cell<Slice>(staticSlice(words));
  const reading = { again: false, busy: false };

  const read = async (): Promise<void> => {
    // One at a time, and once more when it changed meanwhile: an older text must not win over a newer one.
    reading.again = true;
    if (reading.busy) return;
    reading.busy = true;
    while (reading.again && !signal.aborted && !closed) {
      reading.again = false;
      try {
        const said = await load();
        if (signal.aborted || closed) break;
        trouble = null;
        slice.set(staticSlice(said));
        kit.log.info(
          { path },
          'the settings file changed; services, intentions, flags and policies are read again',
        );
      } catch (thrown) {
        kit.meter.count('outrigger_slices_refused_total', 'static').value++;
        trouble = messageOf(thrown);
        kit.log.error(
          { path, cause: trouble },
          'the changed settings file is not used; what was known holds',
        );
      }
    }
    reading.busy = false;
  };

  let closed = false;
  let trouble: string | null = null;
  const stop = watchFiles([path], kit, () => void read());
  const close = (): void => {
    closed = true;
    signal.removeEventListener('abort', close);
    stop();
  };
  if (signal.aborted) close();
  else signal.addEventListener('abort', close, { once: true });
  return {
    slice,
    want: () => {},
    describe: (service) => describeStatic(slice.value, service, `the settings in ${path}`),
    trouble: () => trouble,
    close,
  };
};
