import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type * as Loader from '@grpc/proto-loader';
import { type BuildOptions, build } from 'esbuild';
import { writeFileSet } from '../../sidecar/core/descriptors.ts';

/** The folder of the package. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url));

/** The parts of the single executable. */
export interface Bundle {
  /** What it runs, as one script. */
  readonly main: Uint8Array;
  /** What it carries beside, by name. */
  readonly assets: Readonly<Record<string, Uint8Array>>;
  /** Who wrote what is in it: the licences of all packages, as they ask. */
  readonly licences: string;
}

/** Our own definitions that a sidecar or the command line read while they run. */
const protoFiles = ['outrigger/v1/control.proto', 'grpc/reflection/v1/reflection.proto'];

/** Makes one script of the command with all that it imports; the demo stays out, it is for the sources. */
export const bundle = async (): Promise<Bundle> => {
  const main = await script('deploy/binary/entry.ts', {
    format: 'cjs',
    // A script has no address of its own; what is looked up beside it is looked up beside the executable.
    define: { 'import.meta.url': 'ownAddress' },
    banner: { js: "const ownAddress = require('node:url').pathToFileURL(process.execPath).href;" },
    external: ['./demo/demo.ts'],
  });
  const thread = await script('sidecar/consul/reading-thread.ts', { format: 'esm' });
  return {
    main: main.code,
    assets: {
      'package.json': readFileSync(join(root, 'package.json')),
      'reading-thread.js': thread.code,
      ...Object.fromEntries(protoFiles.map((name) => [name, descriptorSet(name)])),
    },
    licences: licencesOf([...new Set([...main.inputs, ...thread.inputs])]),
  };
};

const script = async (
  entry: string,
  options: BuildOptions,
): Promise<{ code: Uint8Array; inputs: readonly string[] }> => {
  const { outputFiles, metafile } = await build({
    absWorkingDir: root,
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    target: 'node20.19',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
    ...options,
    write: false,
    metafile: true,
  });
  return { code: outputFiles[0]!.contents, inputs: Object.keys(metafile.inputs) };
};

/** A .proto file as the compiler of protobuf would write it, so that nothing has to be read from a disk. */
const descriptorSet = (name: string): Uint8Array => {
  const { loadSync } = createRequire(import.meta.url)('@grpc/proto-loader') as typeof Loader;
  const definitions = Object.values(loadSync(join(root, 'proto', name)));
  const files = definitions.flatMap((each) =>
    'fileDescriptorProtos' in each ? (each.fileDescriptorProtos as Buffer[]) : [],
  );
  return writeFileSet(new Map(files.map((file) => [file.toString('base64'), file])).values());
};

const licencesOf = (inputs: readonly string[]): string => {
  const packages = new Set(
    inputs.flatMap((input) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input)?.[1] ?? []),
  );
  const node = [join(dirname(dirname(process.execPath)), 'LICENSE')].filter((file) => existsSync(file));
  const parts = [...packages].sort().map((folder) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(root, folder, 'package.json'), 'utf8'),
    ) as { name: string; version: string; license: string };
    const text = ['LICENSE', 'LICENSE.md', 'LICENSE.txt', 'LICENCE', 'license', 'LICENSE-MIT.txt']
      .map((file) => join(root, folder, file))
      .find((file) => existsSync(file));
    return `${name} ${version} (${license})\n\n${text === undefined ? '' : readFileSync(text, 'utf8').trim()}`;
  });
  const own = `Node.js ${process.version} (MIT and others)\n\n${node.map((file) => readFileSync(file, 'utf8')).join('') || 'https://github.com/nodejs/node/blob/main/LICENSE'}`;
  return `${[own, ...parts].join(`\n\n${'-'.repeat(80)}\n\n`)}\n`;
};
