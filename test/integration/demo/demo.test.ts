import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { Outcome } from '../../../sidecar/cli/demo/perform.ts';
import { outriggerArguments } from '../../../sidecar/cli/demo/programs.ts';
import { actsWithout } from '../../../sidecar/cli/demo/story.ts';

/** A demo as a user starts it, with a folder of its own for what it leaves behind. */
interface Shown {
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly pid: number;
  said(pattern: RegExp): Promise<void>;
  out(): string;
  err(): string;
  readonly folder: string;
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const show = (...words: string[]): Shown => {
  const folder = mkdtempSync(join(tmpdir(), 'demo-test-'));
  folders.push(folder);
  const child = spawn(process.execPath, outriggerArguments('demo', ...words), {
    // The loader keeps its cache in TMPDIR, which would look like something left behind.
    env: { ...process.env, TMPDIR: folder, TSX_DISABLE_CACHE: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  const waiting = new Set<() => void>();
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
    for (const look of waiting) look();
  });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  );
  return {
    ended,
    pid: child.pid!,
    folder,
    out: () => out,
    err: () => err,
    said: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!pattern.test(err)) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        void ended.then(() => reject(new Error(`ended without ${pattern}:\n${err}`)));
        look();
      }),
  };
};

/** Pids that a demo named in its progress: apps and sidecars. */
const pidsIn = (text: string): number[] =>
  [...text.matchAll(/app (\d+), sidecar (\d+)/g)].flatMap(([, app, sidecar]) => [
    Number(app),
    Number(sidecar),
  ]);

const lives = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** What a demo told; one that broke off told nothing, and says why on stderr. */
const outcomes = ({ out, err }: Shown): { kept: boolean; acts: Outcome[] } => {
  if (out() === '') throw new Error(`the demo broke off:\n${err()}`);
  return JSON.parse(out());
};

test('two acts keep their promise, all counts agree, and nothing is left behind', {
  timeout: 90_000,
}, async () => {
  const shown = show('--once', '--json', '--act', 'healthy', '--act', 'killed');
  const { code } = await shown.ended;
  const { kept, acts } = outcomes(shown);
  expect(acts.flatMap(({ broken }) => broken)).toEqual([]);
  expect({ code, kept, names: acts.map(({ act }) => act) }).toEqual({
    code: 0,
    kept: true,
    names: ['healthy', 'killed'],
  });
  for (const { calls, compared, followed } of acts) {
    expect(calls).toBeGreaterThan(100);
    expect(compared).toBeGreaterThan(20);
    const processes = new Set(followed?.traces.map(({ process }) => process));
    expect([...processes]).toEqual(
      expect.arrayContaining(['storefront', 'storefront (sidecar)', 'orders (sidecar)', 'orders']),
    );
  }
  const pids = pidsIn(shown.err());
  expect(pids.length).toBeGreaterThanOrEqual(10);
  expect(pids.filter(lives)).toEqual([]);
  expect(readdirSync(shown.folder)).toEqual([]);
});

test('what hangs is left to its deadline, and who is replaced is missed by nobody', {
  timeout: 120_000,
}, async () => {
  const shown = show('--once', '--json', '--act', 'hung', '--act', 'replaced');
  const { code } = await shown.ended;
  const { acts } = outcomes(shown);
  expect(acts.flatMap(({ broken }) => broken)).toEqual([]);
  expect({ code, names: acts.map(({ act }) => act) }).toEqual({ code: 0, names: ['hung', 'replaced'] });
  for (const { compared } of acts) expect(compared).toBeGreaterThan(20);
  expect(pidsIn(shown.err()).filter(lives)).toEqual([]);
});

test('Ctrl-C ends everything', { timeout: 60_000 }, async () => {
  const shown = show('--once', '--json', '--act', 'healthy');
  await shown.said(/1\. Everything is well/);
  process.kill(shown.pid, 'SIGINT');
  expect((await shown.ended).code).toBe(130);
  expect(pidsIn(shown.err()).filter(lives)).toEqual([]);
  expect(readdirSync(shown.folder)).toEqual([]);
});

test('a word that means nothing is refused before anything starts', async () => {
  const shown = show('--once', '--sabotage', 'brakes');
  expect((await shown.ended).code).toBe(2);
  expect(shown.err()).toContain(
    "--sabotage takes one of retry, eject, balance, drain, snapshot, intentions, identity, not 'brakes'",
  );
});

const slow = process.env['OUTRIGGER_SLOW_TESTS'] === '1';

describe('without its defence an act breaks its promise (OUTRIGGER_SLOW_TESTS=1 runs these: 15 s each)', () => {
  const acts = Object.entries(actsWithout).flatMap(([defence, names]) =>
    names.map((name) => [defence, name] as const),
  );
  test.skipIf(!slow).each(acts)('%s: %s', { timeout: 90_000 }, async (defence, name) => {
    const shown = show('--once', '--json', '--act', name, '--sabotage', defence);
    expect((await shown.ended).code).toBe(1);
    const { kept, acts } = outcomes(shown);
    expect(kept).toBe(false);
    expect(acts.map(({ act, kept }) => [act, kept])).toEqual([[name, false]]);
  });
});
