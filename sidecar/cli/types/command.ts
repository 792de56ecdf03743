import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { Exit, UsageError } from '../exit.ts';
import { readProto } from './read.ts';
import { writeTypes } from './write.ts';

/** Options of `outrigger types`. */
export interface TypesOptions {
  /** Folder for the files; absent: one file's types go to stdout. */
  readonly out?: string;
  /** Where imports are looked for, beside each file's own folder. */
  readonly include?: readonly string[];
}

/**
 * `outrigger types`: writes the TypeScript interfaces of .proto files, as `definition()` of the SDK takes them. Answers the
 * exit code.
 */
export const types = (
  files: readonly string[],
  { out, include = [] }: TypesOptions,
  write: (line: string) => void,
): number => {
  if (files.length === 0) throw new UsageError('which files? Write outrigger types FILE.proto --out DIR');
  if (out === undefined && files.length > 1)
    throw new UsageError('several files need a folder to go to: add --out DIR');
  for (const file of files) {
    const text = writeTypes(file, readProto(file, [dirname(file), ...include]));
    if (out === undefined) {
      write(text.trimEnd());
      continue;
    }
    const target = join(out, `${basename(file, '.proto')}.types.ts`);
    mkdirSync(out, { recursive: true });
    writeFileSync(target, text);
    write(target);
  }
  return Exit.ok;
};
