import type { PolicyRule } from '../core/policy.ts';
import { describe } from './describe.ts';
import { freeze } from './freeze.ts';
import { readPage } from './page.ts';
import { rulesOf } from './policy-rules.ts';
import { policyJsonSchema, policySchema } from './policy-schema.ts';
import { SettingsError } from './problem.ts';

/** Bytes of the longest policy: one holds the loop that carries the calls for 4 ms at most, and between two calls go. */
const longestPolicy = 4 * 1024;

/**
 * Reads one policy from KV, YAML or JSON; `key` is where it stands. An empty one says nothing. Throws a
 * `SettingsError` with all that is wrong: the key, line and column, the cause and the fix.
 */
export const readPolicy = (text: string, key: string, service: string): readonly PolicyRule[] => {
  const bytes = Buffer.byteLength(text);
  if (bytes > longestPolicy)
    throw new SettingsError([
      { at: key, message: `is ${bytes} bytes long, a policy may have ${longestPolicy}: shorten it` },
    ]);
  const page = readPage(text);
  if (page.faults.length > 0)
    throw new SettingsError(
      page.faults.map(({ message, position }) => ({
        at: `${key}:${position.line}:${position.column}`,
        message: `not valid YAML: ${message}`,
      })),
    );
  const content = page.content ?? {};
  const parsed = policySchema.safeParse(content);
  if (parsed.success) return freeze(rulesOf(parsed.data, 'kv', service, `kv ${key}`));
  const ask = {
    page,
    name: key,
    overlay: {},
    environment: {},
    content,
    what: 'the policy',
    shape: policyJsonSchema,
  };
  throw new SettingsError(parsed.error.issues.flatMap((issue) => describe(issue, ask)));
};
