import { builtIn } from '../core/policy.ts';
import { loadSettings } from '../settings/load.ts';
import { showProblem } from '../settings/problem.ts';
import { jsonSchema } from '../settings/schema.ts';
import { policyMerger } from '../sources/policies.ts';
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
  const { settings, warnings } = loadSettings({ file });
  for (const warning of warnings) write(`${showProblem(warning)} (warning)`);
  // What Consul says beside it is not known here.
  for (const conflict of policyMerger(builtIn)(settings.policies, []).conflicts)
    write(`${file}: ${conflict} (warning)`);
  write(`${file}: ok`);
  return Exit.ok;
};
