import type { z } from 'zod';
import { nearNames } from '../core/near-names.ts';
import type { Page } from './page.ts';
import type { Problem } from './problem.ts';

/** What is needed to say where something stands. */
export interface Ask {
  readonly page: Page;
  readonly name: string;
  readonly overlay: Readonly<Record<string, unknown>>;
  /** What stands below the file. */
  readonly environment: unknown;
  readonly content: unknown;
  /** How the whole is called: `the file`. */
  readonly what: string;
  /** The whole as JSON Schema, for the keys that it knows. */
  readonly shape: () => Record<string, unknown>;
}

/** True for a mapping of YAML, which is neither a list nor a single value. */
export const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const valueAt = (content: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key], content);

/** `mesh.yaml:3:9` for the value at `path`, or for its key `key`; `command line` or `environment` for what was given there. */
export const locate = (
  path: readonly PropertyKey[],
  { page, name, overlay, environment }: Ask,
  key?: string,
): string => {
  const whole = key === undefined ? path : [...path, key];
  const given = valueAt(overlay, whole) !== undefined && whole.length > 0;
  const isAround = valueAt(environment, whole) !== undefined && whole.length > 2;
  if (isAround && !given && !page.has(whole)) return 'environment';
  if (name === 'command line' || (given && !page.has(whole))) return 'command line';
  const position = key === undefined ? page.locate(path) : page.locateKey(path, key);
  return `${name}:${position.line}:${position.column}`;
};

/** One problem for each thing that the schema found at one place. */
export const describe = (issue: z.core.$ZodIssue, ask: Ask): Problem[] => {
  const path = issue.path;
  const where = path.length === 0 ? ask.what : path.join('.');
  const value = valueAt(ask.content, path);
  if (issue.code === 'unrecognized_keys') {
    const known = keysAt(path, ask);
    return issue.keys.map((key) => ({
      at: locate(path, ask, key),
      message: `unknown key '${key}' in ${where} (${advice(key, known)})`,
    }));
  }
  if (issue.code === 'invalid_union' && (isMapping(value) || Array.isArray(value))) {
    const inner = issue.errors.find((issues) =>
      issues.some((one) => one.path.length > 0 || one.code === 'unrecognized_keys'),
    );
    if (inner !== undefined)
      return inner.flatMap((one) =>
        describe({ ...one, path: [...path, ...one.path] } as z.core.$ZodIssue, ask),
      );
  }
  if (issue.code === 'invalid_key') {
    const key = String(path.at(-1));
    return [
      {
        at: locate(path.slice(0, -1), ask, key),
        message: `key '${key}' of ${path.slice(0, -1).join('.')} ${issue.issues[0]?.message ?? issue.message}`,
      },
    ];
  }
  if (value === undefined)
    return [{ at: locate(path, ask), message: `${where} is missing: it ${mustBe(issue, ask)}` }];
  return [{ at: locate(path, ask), message: `${where} ${mustBe(issue, ask)}, not ${show(value)}` }];
};

const mustBe = (issue: z.core.$ZodIssue, ask: Ask): string => {
  if (issue.code !== 'invalid_type' || issue.message.startsWith('must')) return issue.message;
  const keys = keysAt(issue.path, ask);
  return keys.length > 0
    ? `must be a mapping with keys such as ${keys.slice(0, 3).join(', ')}`
    : 'must be a mapping';
};

const show = (value: unknown): string => {
  const text = typeof value === 'string' ? `'${value}'` : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
};

const advice = (key: string, known: readonly string[]): string => {
  const near = nearNames(key, known, 1)[0];
  return near === undefined ? `known keys: ${known.join(', ')}` : `did you mean '${near}'?`;
};

interface Shape {
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly additionalProperties?: Shape | boolean;
  readonly items?: Shape;
  readonly anyOf?: readonly Shape[];
}

const keysAt = (path: readonly PropertyKey[], ask: Ask): string[] => {
  let shape: Shape | undefined = ask.shape() as Shape;
  for (const key of path) {
    const mapping: Shape | undefined = shape?.anyOf?.find((one) => one.properties !== undefined) ?? shape;
    const others: Shape | boolean | undefined = mapping?.additionalProperties;
    shape =
      mapping?.properties?.[String(key)] ??
      mapping?.items ??
      (typeof others === 'object' ? others : undefined);
  }
  const mapping = shape?.anyOf?.find((one) => one.properties !== undefined) ?? shape;
  return Object.keys(mapping?.properties ?? {});
};
