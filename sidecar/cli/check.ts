import { loadSettings } from '../settings/load.ts';
import { showProblem } from '../settings/problem.ts';
import { jsonSchema } from '../settings/schema.ts';
import { Exit, UsageError } from './exit.ts';

/** `outrigger check`: says what is wrong or risky in a settings file, or prints the schema. Answers the exit code. */
export const check = (
  file: string | undefined,
  options: { schema?: true },
  write: (line: string) => void,
): number => {
  if (options.schema === true) {
    write(JSON.stringify(jsonSchema(), null, 2));
    return Exit.ok;
  }
  if (file === undefined) throw new UsageError('which file? Write outrigger check FILE');
  const { warnings } = loadSettings({ file });
  for (const warning of warnings) write(`${showProblem(warning)} (warning)`);
  write(`${file}: ok`);
  return Exit.ok;
};
