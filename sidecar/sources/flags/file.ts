import { readFile, stat } from 'node:fs/promises';
import type { Kit } from '../../core/kit.ts';
import { watchFiles } from '../../core/watch-files.ts';
import type { Source } from '../source.ts';
import { LastGood, type LastGoodOptions } from './last-good.ts';

/** What the source of definitions in a file needs. */
export interface FileFlagsOptions extends Pick<LastGoodOptions, 'read' | 'compile'> {
  readonly path: string;
  readonly kit: Kit;
  readonly signal: AbortSignal;
}

/** Looked at first, so that a wrong path cannot fill the memory. What is longer is refused by whoever reads it. */
const longest = 1024 * 1024;

/** Definitions of flags from a file, read again when it changes. A file that goes leaves what it said in force. */
export const fileFlagsSource = ({ path, read, compile, kit, signal }: FileFlagsOptions): Source => {
  const lastGood = new LastGood({ from: 'file', key: path, read, compile, kit });
  let trouble: string | null = null;
  let closed = false;
  const look = async (): Promise<void> => {
    try {
      const { size } = await stat(path);
      if (size > longest) throw new Error(`is ${size} bytes long: this is no file of flags`);
      const text = await readFile(path, 'utf8');
      trouble = null;
      await lastGood.hear(text);
    } catch (thrown) {
      const { code, message } = thrown as NodeJS.ErrnoException;
      trouble = code === 'ENOENT' ? 'no such file: write it, or remove flagging.file' : message;
    }
    if (!closed) lastGood.unreadable(trouble);
  };
  const stop = watchFiles([path], kit, () => void look());
  const close = (): void => {
    closed = true;
    lastGood.close();
    signal.removeEventListener('abort', close);
    stop();
  };
  if (signal.aborted) close();
  else {
    signal.addEventListener('abort', close, { once: true });
    void look();
  }
  return { slice: lastGood.slice, want: () => {}, describe: () => '', trouble: () => trouble, close };
};
