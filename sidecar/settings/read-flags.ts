import { createHash } from 'node:crypto';
import type { FlagDefinition, FlagDefinitions } from '../core/flag-set.ts';
import { type Ask, describe, locate } from './describe.ts';
import { type FlagFile, flagsJsonSchema, flagsSchema } from './flag-schema.ts';
import { type Page, readPage } from './page.ts';
import { SettingsError } from './problem.ts';

/** Bytes of the longest document. Read as JSON it takes a millisecond of the loop that carries the calls. */
const longestFlags = 64 * 1024;
/** YAML is read a hundred times slower. */
const longestYaml = 8 * 1024;

/**
 * Reads definitions of flags, JSON or YAML; `key` is where they stand. Throws a `SettingsError` with all that is wrong: the
 * key, line and column (of a long document the path alone), the cause and the fix.
 */
export const readFlags = (text: string, key: string): FlagDefinitions => {
  const bytes = Buffer.byteLength(text);
  if (bytes > longestFlags)
    throw wrong(key, `is ${bytes} bytes long, definitions of flags may have ${longestFlags}: shorten it`);
  const { content, page } = contentOf(text, key, bytes);
  const ask: Ask = {
    page,
    name: key,
    overlay: {},
    environment: {},
    content,
    what: 'the document',
    shape: flagsJsonSchema,
  };
  const parsed = flagsSchema.safeParse(content);
  if (!parsed.success) throw new SettingsError(parsed.error.issues.flatMap((issue) => describe(issue, ask)));
  const { flags, $evaluators = {} } = parsed.data;
  const enabled = Object.entries(flags).filter(([, { state }]) => state === 'ENABLED');
  return {
    version: createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 8),
    flags: enabled.map(([name, flag]) => definitionOf(name, flag)),
    evaluators: $evaluators,
    at: (flag) => locate(['flags', flag], ask),
  };
};

const definitionOf = (name: string, { variants, defaultVariant, targeting }: FlagFile): FlagDefinition => ({
  name,
  variants,
  defaultVariant: defaultVariant ?? null,
  targeting: targeting === undefined || Object.keys(targeting).length === 0 ? null : targeting,
});

/** JSON is quick. Where things stand in it is only asked of what is wrong, and not where that would hold up calls. */
const contentOf = (
  text: string,
  key: string,
  bytes: number,
): { readonly content: unknown; readonly page: Page } => {
  const isLong = bytes > longestYaml;
  try {
    return { content: JSON.parse(text), page: isLong ? longPage : latePage(text) };
  } catch (thrown) {
    if (isLong) {
      const why = `is no JSON (${(thrown as Error).message.replaceAll('\n', ' ')})`;
      throw wrong(key, `${why}: correct it, or shorten YAML to ${longestYaml} bytes, it is slow to read`);
    }
  }
  const page = readPage(text);
  if (page.faults.length > 0)
    throw new SettingsError(
      page.faults.map(({ message, position }) => ({
        at: `${key}:${position.line}:${position.column}`,
        message: `not valid YAML: ${message}`,
      })),
    );
  return { content: page.content ?? {}, page };
};

/** A page that is made when it is first asked where something stands. */
const latePage = (text: string): Page => {
  let page: Page | null = null;
  const made = (): Page => (page ??= readPage(text));
  return {
    content: undefined,
    faults: [],
    locate: (path) => made().locate(path),
    locateKey: (path, key) => made().locateKey(path, key),
    has: (path) => made().has(path),
  };
};

/** Stands for a page that would take too long to make: everything is said to be in its first line. */
const longPage: Page = {
  content: undefined,
  faults: [],
  locate: () => ({ line: 1, column: 1 }),
  locateKey: () => ({ line: 1, column: 1 }),
  has: () => true,
};

const wrong = (at: string, message: string): SettingsError => new SettingsError([{ at, message }]);
