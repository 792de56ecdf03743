import type { Command } from 'commander';
import type { Outcome } from '../program.ts';

/** Adds `outrigger types`. */
export const addTypes = (outrigger: Command, outcome: Outcome): void => {
  outrigger
    .command('types')
    .description('Write the TypeScript interfaces of .proto files, for the SDK; needs no protoc')
    .argument('[files...]', 'files of proto2 or proto3')
    .option('--out <dir>', 'folder for NAME.types.ts; else stdout')
    .option('--include <dir>', 'where imports are looked for; may be repeated', gather, [])
    .addHelpText('after', '\nExamples:\n  $ outrigger types proto/inventory.proto --out src')
    .action(async (files: string[], options: { out?: string; include: string[] }) => {
      const { types } = await import('./command.ts');
      outcome.code = types(files, options, (line) => void process.stdout.write(`${line}\n`));
    });
};

const gather = (dir: string, before: string[]): string[] => [...before, dir];
