import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundle, root } from './bundle.ts';

const require = createRequire(import.meta.url);

/** What Node looks for in itself to know that it is not only Node. Ref: nodejs.org/api/single-executable-applications.html */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';

// `npm run binary [-- --out FOLDER]`: the command as one file that needs no Node, made of the Node that runs this, for
// its own system and processor.
const build = async (folder: string): Promise<string> => {
  const { main, assets, licences } = await bundle();
  const work = mkdtempSync(join(tmpdir(), 'outrigger-binary-'));
  try {
    const put = (name: string, content: Uint8Array | string): string => {
      const path = join(work, name.replaceAll('/', '-'));
      writeFileSync(path, content);
      return path;
    };
    const blob = join(work, 'blob');
    const config = {
      main: put('main.cjs', main),
      output: blob,
      disableExperimentalSEAWarning: true,
      // Compiled once, here, and not at each start.
      useCodeCache: true,
      assets: Object.fromEntries(Object.entries(assets).map(([name, content]) => [name, put(name, content)])),
    };
    execFileSync(process.execPath, ['--experimental-sea-config', put('sea.json', JSON.stringify(config))], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    mkdirSync(folder, { recursive: true });
    const file = join(folder, 'outrigger');
    // One that runs cannot be written to; its name can be given to another.
    rmSync(file, { force: true });
    copyFileSync(process.execPath, file);
    chmodSync(file, 0o755);
    const isMac = process.platform === 'darwin';
    if (isMac) execFileSync('codesign', ['--remove-signature', file]);
    // Its remarks on sections that it does not know are shown only when it fails.
    const inject = [
      require.resolve('postject/dist/cli.js'),
      file,
      'NODE_SEA_BLOB',
      blob,
      '--sentinel-fuse',
      fuse,
    ];
    if (isMac) inject.push('--macho-segment-name', 'NODE_SEA');
    execFileSync(process.execPath, inject, { stdio: ['ignore', 'ignore', 'pipe'] });
    if (isMac) execFileSync('codesign', ['--sign', '-', file]);
    writeFileSync(join(folder, 'LICENCES.txt'), licences);
    return file;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
};

const { values } = parseArgs({ options: { out: { type: 'string', default: join(root, 'dist/binary') } } });
const file = await build(resolve(values.out));
const mib = Math.round(statSync(file).size / 1024 / 1024);
process.stdout.write(`${file}: ${mib} MiB, Node ${process.version}, ${process.platform} ${process.arch}\n`);
