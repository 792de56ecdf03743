import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isExecutable } from '../core/executable.ts';

/** A command and its arguments, as `spawn` takes them. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

/** This program once more, to do what `words` say: from sources, from built files or as the single executable. */
export const ownProgram = (...words: string[]): Program => {
  if (isExecutable()) return { command: process.execPath, args: words };
  const fromSource = import.meta.url.endsWith('.ts');
  const main = fileURLToPath(new URL(fromSource ? './main.ts' : './main.js', import.meta.url));
  return { command: process.execPath, args: [...nodeFlags(fromSource), main, ...words] };
};

/** The flags of this process, so that a limit of memory holds where calls are carried; its debugger has one port. */
const nodeFlags = (fromSource: boolean): string[] => {
  const flags = process.execArgv.filter((flag) => !flag.startsWith('--inspect'));
  if (!fromSource || flags.some((flag) => flag.includes('tsx'))) return flags;
  return [...flags, '--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href];
};
