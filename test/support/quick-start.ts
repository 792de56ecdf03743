import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './sources.ts';

/** A section of README.md that a reader can follow: its files by name, and its commands in order. */
export interface QuickStart {
  readonly files: ReadonlyMap<string, string>;
  readonly script: string;
  /** What it promises to print. */
  readonly promise: string;
}

/** Reads the section whose title begins so from README.md, word for word. */
export const readQuickStart = (title: string): QuickStart => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const section = new RegExp(`^## ${title}[^\\n]*\\n([\\s\\S]*?)^## `, 'm').exec(readme)?.[1] ?? '';
  const files = new Map<string, string>();
  const commands: string[] = [];
  for (const [, info = '', text = ''] of section.matchAll(/^```(\S[^\n]*)\n([\s\S]*?)^```$/gm)) {
    const [language, name] = info.split(' ');
    if (language === 'sh') commands.push(text);
    else if (name !== undefined) files.set(name, text);
  }
  const promise = /prints [^`]*(?:`\w+`[^`]*)?`([^`]* [^`]*)`/.exec(section)?.[1] ?? '';
  // A command that fails ends it, as it would stop a reader; at the end, processes are ended on purpose.
  const last = commands.pop() ?? '';
  return { files, script: `set -e\n${commands.join('')}set +e\n${last}`, promise };
};

const succeeds = (command: string, ...args: string[]): boolean =>
  spawnSync(command, args, { stdio: 'ignore' }).status === 0;

/**
 * Consul's usual ports may be somebody else's here: the quick start gets a network and processes of its own, which end
 * with it. Says why that cannot be had.
 */
export const whyNoQuickStart = (): string | null => {
  if (!succeeds('unshare', ...apart, 'true')) return 'this user may not make a network of its own (unshare)';
  if (!succeeds('ip', 'link', 'show', 'lo')) return 'there is no ip (iproute2) to bring a network up';
  return null;
};

const apart = ['--net', '--pid', '--fork', '--kill-child', '--mount-proc'];

/** The path of a program, which may be the name of one on PATH. */
const whereIs = (program: string): string =>
  spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program], { encoding: 'utf8' }).stdout.trim() || program;

/** What a run said and how it ended. */
export interface QuickStartEnd {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Programs that the quick start calls by name, and what to run for them: a command and its first words. */
export type Programs = Readonly<Record<string, readonly string[]>>;

/** Where the folder's `node_modules` come from: ours, or what `install` puts there. */
export type Install = (folder: string) => void;

const withOurs: Install = (folder) => symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));

/** Runs it in a folder of its own, with `programs` first on PATH; kills it when the time is over. */
export const runQuickStart = async (
  { files, script }: QuickStart,
  programs: Programs,
  timeoutMs: number,
  install: Install = withOurs,
): Promise<QuickStartEnd> => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-quick-start-'));
  try {
    const bin = join(folder, '.bin');
    mkdirSync(bin);
    for (const [name, words] of Object.entries(programs)) {
      // Under its own name on PATH a program would find this script again, for ever.
      const [program = '', ...first] = words;
      const quoted = [whereIs(program), ...first].map((word) => `'${word}'`).join(' ');
      writeFileSync(join(bin, name), `#!/bin/sh\nexec ${quoted} "$@"\n`);
      chmodSync(join(bin, name), 0o755);
    }
    for (const [name, text] of files) writeFileSync(join(folder, name), text);
    install(folder);
    const whole = `ip link set lo up\n${script}`;
    const env = {
      PATH: `${bin}:${process.env['PATH']}`,
      HOME: folder,
      XDG_RUNTIME_DIR: folder,
      TMPDIR: folder,
    };
    const child = spawn('unshare', [...apart, 'bash', '-c', whole], {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { output: '', errors: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => void (said.output += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => void (said.errors += text));
    const kill = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    clearTimeout(kill);
    return { code, ...said };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
