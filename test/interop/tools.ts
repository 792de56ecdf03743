import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { succeeds } from '../support/processes.ts';

/** How the clients and servers of one language are started: a command and its first arguments. */
export interface Language {
  readonly name: 'python' | 'go';
  readonly server: readonly string[];
  readonly client: readonly string[];
}

const sources = join(process.cwd(), 'test/interop');
/** Made once and kept: installing and building take a minute. */
const cache = join(tmpdir(), `outrigger-interop-${process.getuid?.() ?? 0}`);

/** Python with grpcio, or why there is none. `install`: into a virtual environment in the temporary directory. */
export const python = (install: boolean): Language | string => {
  const requirements = join(sources, 'python/requirements.txt');
  const environment = join(cache, 'python');
  const own = join(environment, 'bin/python');
  const usable = (command: string): boolean => succeeds(command, '-c', 'import grpc');
  let found = [own, 'python3'].find(usable);
  if (found === undefined && install) {
    if (!succeeds('python3', '--version')) return 'python3 is not on PATH';
    mkdirSync(cache, { recursive: true });
    const made =
      succeeds('python3', '-m', 'venv', environment) &&
      succeeds(own, '-m', 'pip', 'install', '--quiet', '-r', requirements);
    if (!made) return `pip could not install ${requirements} into ${environment}`;
    found = own;
  }
  if (found === undefined)
    return `python3 has no grpcio: run 'npm run interop' once, or 'pip install -r ${requirements}'`;
  const file = (name: string): string[] => [found, join(sources, 'python', name)];
  return { name: 'python', server: file('server.py'), client: file('client.py') };
};

/** The Go program, built, or why there is none. `install`: builds it, which may fetch its modules. */
export const go = (install: boolean): Language | string => {
  const binary = join(cache, 'interop');
  if (!succeeds('go', 'version') && !existsSync(binary)) return 'go is not on PATH';
  if (install) {
    mkdirSync(cache, { recursive: true });
    if (!succeeds('go', '-C', join(sources, 'go'), 'build', '-o', binary, '.'))
      return `'go build' failed in ${join(sources, 'go')}`;
  } else if (!existsSync(binary)) return "the Go program is not built: run 'npm run interop' once";
  return { name: 'go', server: [binary, 'server'], client: [binary, 'client'] };
};
