import { readFileSync, statSync } from 'node:fs';
import { dirname, resolve as resolvePath } from 'node:path';
import { withContracts } from './contracts.ts';
import { type Complaint, contradictions } from './contradictions.ts';
import { describe, isMapping, locate } from './describe.ts';
import { flagFileProblems } from './flag-file.ts';
import { readPage } from './page.ts';
import { type Problem, SettingsError } from './problem.ts';
import { resolve } from './resolve.ts';
import { jsonSchema, schema } from './schema.ts';
import type { Settings } from './settings.ts';

/** Where settings come from. `overlay` is laid over the file, key by key, and wins: the command line. */
export interface Origin {
  readonly file?: string;
  readonly overlay?: Readonly<Record<string, unknown>>;
  /**
   * Keys of `discovery.consul` that hold where neither the file nor the overlay says them: the environment. Without
   * effect where peers stand in the file.
   */
  readonly consul?: Readonly<Record<string, unknown>>;
  /** Listeners that nothing names take free ports instead of the usual ones, so that sidecars share a host. */
  readonly freePorts?: boolean;
}

/** Settings that hold, and what is risky about them. */
export interface Loaded {
  readonly settings: Settings;
  readonly warnings: readonly Problem[];
}

/** Bytes of the longest settings file: far above any honest one, so that a wrong path cannot fill the memory. */
const longestFile = 1024 * 1024;

/** What a file need not say where free ports are wanted. Peers are not here: whether they listen hangs on the app. */
const freeListeners = { listen: { app: '127.0.0.1:0', admin: '127.0.0.1:0' } };

/** Reads, checks and resolves settings; throws `SettingsError` with all that is wrong. */
export const loadSettings = (origin: Origin): Loaded => {
  const { file } = origin;
  if (file === undefined) return readSettings('', 'command line', process.cwd(), origin);
  return readSettings(readText(file), file, dirname(resolvePath(file)), origin);
};

/** The same for a text that is already here; `name` is used in messages, `directory` for relative paths. */
export const readSettings = (
  text: string,
  name: string,
  directory: string,
  { overlay = {}, freePorts = false, consul = {} }: Omit<Origin, 'file'> = {},
): Loaded => {
  const page = readPage(text);
  if (page.faults.length > 0)
    throw new SettingsError(
      page.faults.map(({ message, position }) => ({
        at: `${name}:${position.line}:${position.column}`,
        message: `not valid YAML: ${message}`,
      })),
    );
  const said = lay(overlay, lay(page.content ?? {}, freePorts ? freeListeners : {}));
  const environment = isStatic(said) ? {} : around(consul);
  const content = lay(said, environment);
  const ask = { page, name, overlay, environment, content, what: 'the file', shape: jsonSchema };
  const parsed = schema.safeParse(content);
  if (!parsed.success) throw inOrder(parsed.error.issues.flatMap((issue) => describe(issue, ask)));
  const resolved = resolve(parsed.data, directory, freePorts);
  const { settings, errors: unreadable } = withContracts(parsed.data, resolved, directory);
  const { errors, warnings } = contradictions(parsed.data, settings);
  const place = (complaint: Complaint): Problem => ({
    at: locate(complaint.path, ask),
    message: `${complaint.path.join('.')} ${complaint.message}`,
  });
  const wrong = [...unreadable, ...errors];
  if (wrong.length > 0) throw inOrder(wrong.map(place));
  // A mistake in flags must keep nobody from starting: the file is read again when it changes.
  const badFlags = flagFileProblems(settings, (message) => place({ path: ['flagging', 'file'], message }));
  return { settings, warnings: [...warnings.map(place), ...badFlags] };
};

const readText = (file: string): string => {
  try {
    if (statSync(file).size > longestFile)
      throw new SettingsError([{ at: file, message: 'is larger than 1 MiB: this is not a settings file' }]);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof SettingsError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    const cause = code === 'ENOENT' ? 'no such file: give the path of a settings file' : message;
    throw new SettingsError([{ at: file, message: cause }]);
  }
};

/** Peers stand in the file: no agent is asked, whatever the environment says of one. */
const isStatic = (content: unknown): boolean =>
  isMapping(content) && isMapping(content['discovery']) && content['discovery']['static'] !== undefined;

const around = (consul: Readonly<Record<string, unknown>>): object =>
  Object.keys(consul).length === 0 ? {} : { discovery: { consul } };

const lay = (over: unknown, under: unknown): unknown => {
  if (!isMapping(over)) return over === undefined ? under : over;
  if (!isMapping(under)) return Object.keys(over).length === 0 && under !== undefined ? under : over;
  const merged: Record<string, unknown> = { ...under };
  for (const [key, value] of Object.entries(over)) merged[key] = lay(value, under[key]);
  return merged;
};

const inOrder = (problems: readonly Problem[]): SettingsError => {
  const rank = ({ at }: Problem): number => {
    const [, line, column] = /:(\d+):(\d+)$/.exec(at) ?? ['', '0', '0'];
    return Number(line) * 10_000 + Number(column);
  };
  return new SettingsError([...problems].sort((one, other) => rank(one) - rank(other)));
};
