import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Built files run as they are; sources, in tests, need the loader that reads TypeScript. */
const fromSource = import.meta.url.endsWith('.ts');
const loader = (): string[] =>
  fromSource ? ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href] : [];
const file = (path: string): string =>
  fileURLToPath(new URL(fromSource ? `${path}.ts` : `${path}.js`, import.meta.url));

/** Ends a process when whoever holds the other end of its stdin is gone, whatever ended them. */
const guard =
  "data:text/javascript,process.stdin.on('error',()=>{}).once('close',()=>process.exit(1)).resume().unref()";

/** The arguments that make a process end with the demo, before those of what it runs. */
export const guarded = (words: readonly string[]): string[] => ['--import', guard, ...words];

/** The arguments after `node` that run `outrigger` with `words`. */
export const outriggerArguments = (...words: string[]): string[] => [...loader(), file('../main'), ...words];

/** The arguments after `node` that run an app of the demo. */
export const appArguments = (app: string): string[] => [...loader(), file(`./apps/${app}`)];
