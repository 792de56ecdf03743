import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the package. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url));

/** One of our own source files. */
export interface Source {
  /** From the folder of the package, with forward slashes: `sidecar/core/call.ts`. */
  readonly path: string;
  readonly text: string;
  /** What it imports, in any form: paths from the package's folder, `node:` modules, names of packages. */
  readonly imports: readonly string[];
}

/** Every TypeScript file below `folder`, in the order of its names; none where there is no such folder. */
export const sources = (folder: string): Source[] => {
  let names: string[];
  try {
    names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  } catch {
    return [];
  }
  return names
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => {
      const path = join(folder, name).replaceAll('\\', '/');
      const text = readFileSync(join(root, path), 'utf8');
      return { path, text, imports: importsOf(text, path) };
    });
};

const forms: readonly RegExp[] = [
  /^\s*(?:import|export)\b[^'";]*?\bfrom\s*['"]([^'"]+)['"]/gm,
  /^\s*import\s*['"]([^'"]+)['"]/gm,
  /\bimport\(\s*['"]([^'"]+)['"]/g,
  /\brequire\(\s*['"]([^'"]+)['"]/g,
];

/** The imports of a text, as `Source.imports` says; `path` is where the text stands. */
export const importsOf = (text: string, path: string): string[] => {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const found = forms.flatMap((form) => [...code.matchAll(form)].map((match) => match[1]!));
  return [...new Set(found)].map((name) =>
    name.startsWith('.')
      ? relative(root, join(root, dirname(path), name)).replaceAll('\\', '/')
      : packageOf(name),
  );
};

const packageOf = (name: string): string => {
  if (name.startsWith('node:')) return name;
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
};
