import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './sources.ts';

/** An example of the API page. */
export interface Example {
  /** The export that it stands at. */
  readonly of: string;
  readonly code: string;
}

/** Every export of a module with the examples in its docstring; none: an empty list. */
export const examplesOf = (file: string): ReadonlyMap<string, readonly string[]> => {
  const path = join(root, file);
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const program = ts.createProgram([path], { ...options, noEmit: true });
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(path)!)!;
  const found = new Map<string, string[]>();
  for (const each of checker.getExportsOfModule(module)) {
    const symbol = each.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(each) : each;
    const tags = symbol.getJsDocTags(checker).filter(({ name }) => name === 'example');
    found.set(
      each.name,
      tags.map(({ text }) => ts.displayPartsToString(text)),
    );
  }
  return found;
};

/** A module whose exports the examples may use. */
export interface Entrance {
  readonly file: string;
  /** Exports that are there when it runs, and those that the compiler alone knows. */
  readonly runtime: readonly string[];
  readonly types: readonly string[];
}

const importOf = ({ file, runtime, types }: Entrance): string =>
  `import { ${[...runtime, ...types.map((name) => `type ${name}`)].join(', ')} } from ${JSON.stringify(join(root, file))};`;

/** What stands before every example, as the API page says. */
const before = (entrances: readonly Entrance[]): string => `
import * as grpc from '@grpc/grpc-js';
import { OpenFeature } from '@openfeature/server-sdk';
${entrances.map(importOf).join('\n')}
interface Inventory {
  reserve(request: { sku: string }): Promise<{ left: number }>;
  watch(request: { sku: string }): AsyncIterable<{ left: number }>;
  count(skus: AsyncIterable<{ sku: string }>): AsyncIterable<{ sku: string; left: number }>;
}
const Inventory = definition<Inventory>('inventory.proto', 'shop.v1.Inventory');
const stock: Methods<Inventory> = {
  reserve: async ({ sku }, call) => {
    if (sku === 'none') throw new MeshError(Code.NOT_FOUND, 'no such sku');
    if (sku === 'slow') await new Promise((resolve) => call.signal.addEventListener('abort', resolve));
    return { left: 3 };
  },
  watch: async function* () {
    yield { left: 3 };
  },
  count: async function* (skus) {
    for await (const { sku } of skus) yield { sku, left: 3 };
  },
};
`;

/** Runs them all in one process, after the compiler has checked them; answers what each said, and what went wrong. */
export const runExamples = (
  examples: readonly Example[],
  entrances: readonly Entrance[],
): { readonly problems: readonly string[]; readonly output: string } => {
  const folder = mkdtempSync(join(tmpdir(), 'examples-'));
  try {
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
    cpSync(join(root, 'test/support/inventory.proto'), join(folder, 'inventory.proto'));
    const functions = examples.map(
      ({ of, code }, at) => `// ${of}
const example${at} = async (mesh: Mesh, inventory: Client<Inventory>): Promise<void> => {
{
${code}
}
};`,
    );
    const file = join(folder, 'examples.ts');
    writeFileSync(
      file,
      `${before(entrances)}
${functions.join('\n')}
import { AsyncLocalStorage } from 'node:async_hooks';
import { openServer } from ${JSON.stringify(join(root, 'sdk/serve.ts'))};
const home = { contexts: new AsyncLocalStorage<never>(), now: () => performance.now(), middleware: [], onError: () => {}, serving: () => () => {} };
const far = await openServer(grpc, home, Inventory, stock, { port: 0 });
process.env['OUTRIGGER_APP'] = far.address;
for (const [name, run] of [${examples.map(({ of }, at) => `['${of}', example${at}]`).join(', ')}] as const) {
  const mesh = await connect();
  try {
    await run(mesh, mesh.client(Inventory, 'inventory'));
  } catch (error) {
    console.log('FAILED', name, error);
  }
  mesh.close();
}
await far.stop(0);
`,
    );
    const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
    const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
    const relaxed = {
      noUnusedLocals: false,
      noUnusedParameters: false,
      isolatedDeclarations: false,
      composite: false,
    };
    const program = ts.createProgram([file], {
      ...options,
      ...relaxed,
      ...{
        declaration: false,
        noEmit: true,
        rewriteRelativeImportExtensions: false,
        allowImportingTsExtensions: true,
      },
      rootDir: '/',
      typeRoots: [join(root, 'node_modules/@types')],
    });
    const source = program.getSourceFile(file)!;
    const problems = ts.getPreEmitDiagnostics(program, source).map(({ messageText, start = 0 }) => {
      const line = source.getLineAndCharacterOfPosition(start).line;
      return `${source.text.split('\n')[line]!.trim()}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
    const { stdout, stderr } = spawnSync(process.execPath, ['--import', import.meta.resolve('tsx'), file], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
    });
    const failed = `${stdout}${stderr}`
      .split('\n')
      .filter((line) => /^FAILED|Error/.test(line) && !line.includes('NOT_FOUND'));
    return { problems: [...problems, ...failed], output: stdout };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
