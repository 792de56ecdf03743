import { readFileSync, statSync } from 'node:fs';
import { type Problem, SettingsError } from './problem.ts';
import { readFlags } from './read-flags.ts';
import type { Settings } from './settings.ts';

/** Far above the longest definitions: looked at first, so that a wrong path cannot fill the memory. */
const longestFile = 1024 * 1024;

/** What is wrong with the file of definitions that the settings name. `place` says so of the key that names it. */
export const flagFileProblems = (
  { flagging: { file } }: Pick<Settings, 'flagging'>,
  place: (message: string) => Problem,
): readonly Problem[] => {
  if (file === null) return [];
  try {
    if (statSync(file).size > longestFile)
      return [place(`${file} is larger than 1 MiB: this is no file of flags`)];
    readFlags(readFileSync(file, 'utf8'), file);
    return [];
  } catch (thrown) {
    if (thrown instanceof SettingsError) return thrown.problems;
    const { code, message } = thrown as NodeJS.ErrnoException;
    return [place(code === 'ENOENT' ? `${file} is missing: write it, or remove the key` : message)];
  }
};
