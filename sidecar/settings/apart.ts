import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isExecutable } from '../core/executable.ts';
import { freeze } from './freeze.ts';
import type { Loaded, Origin } from './load.ts';
import { type Problem, SettingsError } from './problem.ts';

/** What `reader.ts` writes on its standard output. */
export type Reading = { readonly loaded: Loaded } | { readonly problems: readonly Problem[] };

/**
 * The same as `loadSettings`, in a process of its own that ends at once.
 *
 * The YAML and schema libraries take 16 MB of resident memory that a process never gives back, and a sidecar needs
 * them for a moment at its start. Throws `SettingsError`.
 * `nodeFlags`: how Node is started, so that sources and built files are both found.
 */
export const loadSettingsApart = (
  origin: Origin,
  nodeFlags: readonly string[] = process.execArgv,
): Promise<Loaded> =>
  new Promise((resolve, reject) => {
    // The single executable begins with what its first word names: see deploy/binary/entry.ts.
    const reader = isExecutable()
      ? ['read-settings']
      : [
          ...loadingFlags(nodeFlags),
          fileURLToPath(new URL(`./reader${import.meta.url.slice(-3)}`, import.meta.url)),
        ];
    const options = { maxBuffer: 64 * 1024 * 1024, timeout: 30_000 };
    execFile(process.execPath, [...reader, JSON.stringify(origin)], options, (error, output, noise) => {
      if (error !== null) return reject(new Error(`settings could not be read: ${noise || error.message}`));
      const reading = JSON.parse(output) as Reading;
      if ('problems' in reading) reject(new SettingsError(reading.problems));
      else resolve({ settings: freeze(reading.loaded.settings), warnings: reading.loaded.warnings });
    });
  });

/** Flags that say how sources are loaded concern both processes; a debugger, a profiler or a trace only the first. */
const loadingFlags = (flags: readonly string[]): string[] =>
  flags.filter((flag, at) => isLoading(flag) || (isLoading(flags[at - 1] ?? '') && !flag.startsWith('-')));

const isLoading = (flag: string): boolean =>
  /^(--import|--require|-r|--loader|--experimental-loader|--conditions|-C)(=|$)/.test(flag);
