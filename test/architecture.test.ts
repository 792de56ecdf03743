import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importsOf, root, type Source, sources } from './support/sources.ts';

/** Who may import whom, from design to sockets. A part may always import itself, but a filter never a filter. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'wire/': [],
  'sidecar/core/': [],
  'sidecar/policies/': ['sidecar/core/'],
  'sidecar/filters/': ['sidecar/policies/', 'sidecar/core/'],
  'sidecar/stack.ts': ['sidecar/filters/', 'sidecar/policies/', 'sidecar/core/'],
  'sidecar/endpoints/': ['sidecar/policies/', 'sidecar/core/'],
  'sidecar/transports/': ['wire/', 'sidecar/core/'],
  'sidecar/consul/': ['sidecar/core/'],
  'sidecar/sources/': ['sidecar/consul/', 'sidecar/core/'],
  'sidecar/identity/': ['sidecar/consul/', 'sidecar/core/'],
  'sidecar/state/': ['sidecar/identity/', 'sidecar/sources/', 'sidecar/core/'],
  'sidecar/consul-dev/': ['sidecar/identity/', 'sidecar/core/'],
  'sidecar/settings/': ['sidecar/core/'],
  'sidecar/control/': ['sidecar/core/'],
  // Looks at what all of these stand on; nobody but the command asks it.
  'sidecar/doctor/': [
    'sidecar/consul/',
    'sidecar/control/',
    'sidecar/core/',
    'sidecar/identity/',
    'sidecar/settings/',
    'sidecar/state/',
  ],
  'sidecar/telemetry/': ['sidecar/core/'],
  'sidecar/cli/': ['sidecar/', 'sdk/', 'wire/'],
  'sdk/': ['wire/', 'sidecar/core/', 'sidecar/index.ts'],
};

/** What wires everything: the files right below `sidecar/`, but the table of contents. They serve nobody but the command. */
const wiring: readonly string[] = ['sidecar/', 'wire/'];

/**
 * Where a library is imported: in one folder, and from there on it speaks our words. gRPC and zod have several,
 * because the layers forbid those folders to share one: each is a client, a server or a reader of its own.
 */
const doors: Readonly<Record<string, readonly string[]>> = {
  '@grpc/grpc-js': ['sidecar/control/', 'sidecar/cli/call/', 'sidecar/consul-dev/', 'sdk/'],
  '@grpc/proto-loader': ['sidecar/control/', 'sidecar/cli/call/', 'sdk/'],
  '@openfeature/core': ['sidecar/sources/'],
  '@openfeature/flagd-core': ['sidecar/sources/'],
  '@openfeature/server-sdk': ['sdk/'],
  '@opentelemetry/api': ['sidecar/telemetry/', 'sdk/'],
  '@opentelemetry/sdk-node': ['sidecar/telemetry/', 'sdk/'],
  '@peculiar/x509': ['sidecar/identity/'],
  'reflect-metadata': ['sidecar/identity/'],
  commander: ['sidecar/cli/'],
  consul: ['sidecar/consul/'],
  opossum: ['sidecar/endpoints/'],
  pino: ['sidecar/telemetry/'],
  yaml: ['sidecar/settings/'],
  zod: ['sidecar/settings/', 'sidecar/consul/'],
};

/** Parts that decide and never touch the world: no Node modules, so that they run and are tested without one. */
const pure: readonly string[] = ['sidecar/policies/', 'sidecar/filters/', 'sidecar/stack.ts'];

/** Modules that are pure themselves. */
const harmless: readonly string[] = ['node:crypto', 'node:buffer'];

const ours = [...sources('wire'), ...sources('sidecar'), ...sources('sdk')];
const tests = sources('test');

const partOf = (path: string): string | undefined =>
  Object.keys(mayImport).find((part) => path === part || (part.endsWith('/') && path.startsWith(part)));

const isOurs = (name: string): boolean => /^(wire|sidecar|sdk|bench|test)\//.test(name);

const violations = (files: readonly Source[]): string[] =>
  files.flatMap(({ path, imports }) => {
    const part = partOf(path);
    const allowed = part === undefined ? wiring : mayImport[part]!;
    const itself = part === undefined || part === 'sidecar/filters/' ? [] : [part];
    return imports
      .filter(isOurs)
      .filter((name) =>
        name.startsWith('sidecar/cli/')
          ? part !== 'sidecar/cli/'
          : ![...allowed, ...itself].some((one) => name.startsWith(one)),
      )
      .map((name) => `${path} imports ${name}`);
  });

const wrongDoors = (files: readonly Source[]): string[] =>
  files.flatMap(({ path, imports }) =>
    imports
      .filter((name) => !isOurs(name) && !name.startsWith('node:'))
      .filter((name) => !doors[name]?.some((door) => path.startsWith(door)))
      .map((name) => `${path} imports ${name}`),
  );

const impure = (files: readonly Source[]): string[] =>
  files
    .filter(({ path }) => pure.some((part) => path.startsWith(part)))
    .flatMap(({ path, imports }) =>
      imports
        .filter((name) => name.startsWith('node:') && !harmless.includes(name))
        .map((name) => `${path} imports ${name}`),
    );

describe('who imports whom', () => {
  it('follows the layers', () => {
    expect(ours.length).toBeGreaterThan(40);
    expect(violations(ours)).toEqual([]);
  });

  it('has one door for each library', () => {
    expect(wrongDoors(ours)).toEqual([]);
  });

  it('keeps the world out of what only decides', () => {
    expect(impure(ours)).toEqual([]);
  });

  it('is seen in every form of import', () => {
    const text = `
import type { A } from './a.ts';
import {
  b,
} from '../b/b.ts';
export * from "./c.ts";
import 'reflect-metadata';
import { sub } from 'yaml/dist/x.js';
// import nothing from './comment.ts';
const d = () => import('../index.ts');
type E = typeof import('@grpc/grpc-js');
`;
    expect(importsOf(text, 'sidecar/core/x.ts').sort()).toEqual([
      '@grpc/grpc-js',
      'reflect-metadata',
      'sidecar/b/b.ts',
      'sidecar/core/a.ts',
      'sidecar/core/c.ts',
      'sidecar/index.ts',
      'yaml',
    ]);
  });

  it('is refused where it breaks the layers', () => {
    const file = (path: string, ...imports: string[]): Source => ({ path, text: '', imports });
    expect(
      violations([
        file('sidecar/filters/retry.ts', 'sidecar/filters/balance.ts', 'sidecar/core/call.ts'),
        file('sidecar/core/call.ts', 'sidecar/policies/backoff.ts'),
        file('wire/frames.ts', 'sidecar/core/call.ts', 'wire/hpack.ts'),
        file('sidecar/start.ts', 'sidecar/cli/run.ts', 'wire/index.ts'),
      ]),
    ).toEqual([
      'sidecar/filters/retry.ts imports sidecar/filters/balance.ts',
      'sidecar/core/call.ts imports sidecar/policies/backoff.ts',
      'wire/frames.ts imports sidecar/core/call.ts',
      'sidecar/start.ts imports sidecar/cli/run.ts',
    ]);
    expect(wrongDoors([file('sidecar/core/x.ts', 'zod'), file('wire/x.ts', 'left-pad')])).toHaveLength(2);
    expect(impure([file('sidecar/filters/x.ts', 'node:net', 'node:crypto')])).toHaveLength(1);
  });
});

const tooLong = (files: readonly Source[]): string[] =>
  files.filter(({ text }) => text.split('\n').length > 301).map(({ path }) => path);

describe('the tests', () => {
  it('have no file above 300 lines, what they share included: a file tells one story', () => {
    expect(tests.length).toBeGreaterThan(100);
    expect(tooLong(tests)).toEqual([]);
  });

  it('would be told of a file of 301 lines (control)', () => {
    const file = (path: string, lines: number): Source => ({ path, text: 'x\n'.repeat(lines), imports: [] });
    expect(tooLong([file('test/a.test.ts', 300), file('test/b.test.ts', 301)])).toEqual(['test/b.test.ts']);
  });
});

describe('the sources', () => {
  it('have no file above 300 lines', () => {
    expect(tooLong(ours)).toEqual([]);
  });

  it('keep no state of their own: two sidecars can live in one process', () => {
    // An app of the demo is a process of its own, and its state is what the story is about.
    const shared = ours.filter(({ path }) => !path.startsWith('sidecar/cli/demo/apps/'));
    const stateful = shared.flatMap(({ path, text }) =>
      [...text.matchAll(/^(?:export )?(?:let|var) \w+/gm)].map((match) => `${path}: ${match[0]}`),
    );
    expect(stateful).toEqual([]);
  });

  it('ask the kit for time and chance wherever they decide', () => {
    // The wheel is what the kit gives them: it alone sleeps by the clock, unless a test turns it.
    const reaching = ours
      .filter(({ path }) => path !== 'sidecar/core/wheel.ts')
      .filter(({ path }) =>
        [...pure, 'sidecar/core/', 'sidecar/endpoints/'].some((part) => path.startsWith(part)),
      )
      .flatMap(({ path, text }) =>
        [
          ...text.matchAll(
            /^(?!\s*(?:\*|\/\/)).*?\b(Date\.now\(|new Date\(\)|Math\.random\(|performance\.now\(|setTimeout\()/gm,
          ),
        ].map((match) => `${path}: ${match[1]}`),
      );
    expect(reaching).toEqual([]);
  });

  it('import every library that the package installs for its users or asks them for, and no other', () => {
    const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
      readFileSync(join(root, 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string | { optional: boolean }>>;
    const optional = Object.keys(peerDependenciesMeta!);
    expect(optional).toEqual(Object.keys(peerDependencies!));
    expect(Object.keys(doors).sort()).toEqual([...Object.keys(dependencies!), ...optional].sort());
    for (const version of Object.values(dependencies!)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
  });
});
