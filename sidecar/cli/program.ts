import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { readDuration } from '../settings/units.ts';
import type { CallOptions } from './call/call.ts';
import type { DemoOptions } from './demo/demo.ts';
import { Exit } from './exit.ts';
import type { RunOptions } from './run.ts';

/** Where a command leaves its exit code. */
export interface Outcome {
  code: number;
}

/**
 * The command line. Each command loads what it needs when it runs, so that a sidecar does not carry what only
 * `call` or `agent` use.
 */
export const program = (outcome: Outcome): Command => {
  const outrigger = new Command('outrigger')
    .description('A sidecar for gRPC services: direct calls over mutual TLS, found through Consul')
    .version(version(), '-V, --version')
    .exitOverride()
    .showHelpAfterError('(outrigger --help says more)')
    .addHelpText('after', overview);
  addRun(outrigger, outcome);
  addSidecar(outrigger, outcome);
  addAgent(outrigger, outcome);
  addCheck(outrigger, outcome);
  addCall(outrigger, outcome);
  addDemo(outrigger, outcome);
  return outrigger;
};

const overview = `
Examples:
  $ outrigger agent                                                  a Consul for development
  $ outrigger run --service orders --port 50051 -- node orders.js    an app with its sidecar
  $ outrigger call --as web orders demo.v1.Orders/Place -d '{"sku": "oar"}'

Exit codes: ${Exit.ok} done, ${Exit.failure} failed, ${Exit.usage} wrong command line or settings; run passes on the code of its app
(${Exit.notExecutable} and ${Exit.notFound}: it could not be started, 128 + n: signal n ended it).`;

const addRun = (outrigger: Command, outcome: Outcome): void => {
  outrigger
    .command('run')
    .description('Run an app with a sidecar beside it, on free ports')
    .usage('[options] -- COMMAND...')
    .argument('<command...>', 'the app and its arguments')
    .option('--service <name>', 'name of the service that the app is')
    .option('--port <port>', 'where the app answers; the app sees it as PORT, 0 picks a free one', port(0))
    .option('--config <file>', 'settings file; what stands here wins over it')
    .option('--consul <url>', 'Consul agent (default: CONSUL_HTTP_ADDR, or http://127.0.0.1:8500)')
    .option('--token-file <file>', 'ACL token for Consul (default: CONSUL_HTTP_TOKEN_FILE)')
    .addOption(repeatable('--upstream <name=host:port>', 'listener that stands for one service; repeatable'))
    .option('--log-level <level>', 'debug, info, warn or error')
    .addHelpText(
      'after',
      `
The app finds the sidecar in OUTRIGGER_APP and its own name in OUTRIGGER_SERVICE. Signals are passed on; the first
SIGTERM drains, a second one ends at once. The app's end ends the sidecar, and its exit code is passed on.

Examples:
  $ outrigger run --service orders --port 50051 -- node orders.js
  $ outrigger run --service web --upstream orders=127.0.0.1:9191 -- ./web        a pure caller
  $ outrigger run --config mesh.yaml -- python orders.py`,
    )
    .action(async (command: string[], options: RunOptions) => {
      const [{ run }, { surroundings }] = await Promise.all([import('./run.ts'), import('./started.ts')]);
      outcome.code = await run(options, command, await surroundings());
    });
};

const addSidecar = (outrigger: Command, outcome: Outcome): void => {
  outrigger
    .command('sidecar')
    .description('Run a sidecar alone, for an app that something else starts')
    .requiredOption('--config <file>', 'settings file')
    .addHelpText(
      'after',
      `
The first SIGTERM drains, a second one ends at once.

Examples:
  $ outrigger sidecar --config mesh.yaml
  $ curl 127.0.0.1:15000/ready`,
    )
    .action(async (options: { config: string }) => {
      const [{ sidecar }, { surroundings }] = await Promise.all([
        import('./sidecar.ts'),
        import('./started.ts'),
      ]);
      outcome.code = await sidecar(options, await surroundings());
    });
};

const addAgent = (outrigger: Command, outcome: Outcome): void => {
  outrigger
    .command('agent')
    .description('Run a Consul-compatible agent for development; it keeps everything in memory')
    .option('--port <port>', 'port of its HTTP API', port(0), 8500)
    .option('--host <host>', 'address to listen on', '127.0.0.1')
    .option(
      '--allow-remote',
      'let --host be an address that others reach: they may do anything with it',
      false,
    )
    .addHelpText('after', '\nExamples:\n  $ outrigger agent\n  $ outrigger agent --port 8501')
    .action(async (options: { port: number; host: string; allowRemote: boolean }) => {
      const { agent } = await import('./agent.ts');
      outcome.code = await agent(options, process);
    });
};

const addCheck = (outrigger: Command, outcome: Outcome): void => {
  outrigger
    .command('check')
    .description('Say what is wrong with a settings file, each with line, column and fix')
    .argument('[file]', 'settings file')
    .option('--schema', 'print the JSON Schema of the file, for editors')
    .addHelpText(
      'after',
      '\nExamples:\n  $ outrigger check mesh.yaml\n  $ outrigger check --schema > mesh.schema.json',
    )
    .action(async (file: string | undefined, options: { schema?: true }) => {
      const { check } = await import('./check.ts');
      outcome.code = check(file, options, print);
    });
};

const addCall = (outrigger: Command, outcome: Outcome): void => {
  outrigger
    .command('call')
    .description('Make one call through a sidecar; each answer is one line of JSON')
    .argument('<service>', 'name of the service in the mesh')
    .argument('<method>', 'package.Service/Method')
    .addOption(repeatable('-d, --request <json>', 'a request; repeat it for a stream of them'))
    .addOption(repeatable('-H, --header <name: value>', 'metadata; repeatable'))
    .option('--address <address>', 'app port of the sidecar (default: OUTRIGGER_APP, or 127.0.0.1:15001)')
    .option('--as <name>', 'call as this service, by a sidecar that lives as long as the call')
    .option('--consul <url>', 'Consul agent, with --as (default: CONSUL_HTTP_ADDR, or http://127.0.0.1:8500)')
    .option('--token-file <file>', 'ACL token for Consul, with --as (default: CONSUL_HTTP_TOKEN_FILE)')
    .addOption(repeatable('--proto <file>', 'where the types are, instead of asking the server; repeatable'))
    .addOption(repeatable('--include <folder>', 'where imports of --proto begin; repeatable'))
    .option('--timeout <time>', 'deadline of the call, such as 5s', duration)
    .addHelpText(
      'after',
      `
Examples:
  $ outrigger call inventory demo.v1.Inventory/Reserve -d '{"sku": "oar"}'
  $ outrigger call --as web orders demo.v1.Orders/Place -d '{"sku": "oar"}' --timeout 2s
  $ outrigger call orders demo.v1.Orders/Watch --proto orders.proto -H 'x-request-id: try-1'`,
    )
    .action(
      async (
        service: string,
        method: string,
        options: Omit<CallOptions, 'timeoutMs'> & { timeout?: number },
      ) => {
        const [{ call }, { surroundings }] = await Promise.all([
          import('./call/call.ts'),
          import('./started.ts'),
        ]);
        const { timeout, ...rest } = options;
        const around = { write: print, say: complain, sidecar: surroundings };
        const timed = timeout === undefined ? rest : { ...rest, timeoutMs: timeout };
        outcome.code = await call(service, method, timed, around);
      },
    );
};

const addDemo = (outrigger: Command, outcome: Outcome): void => {
  outrigger
    .command('demo')
    .description('Show a small mesh on this machine, and what it does when things go wrong')
    .option('--once', 'end after the story; exit code 0 when every act kept its promise')
    .option('--json', 'one JSON object on stdout instead of a story')
    .option('--sabotage <defence>', 'take a defence away: eject, retry, identity, snapshot or intentions')
    .addOption(repeatable('--act <name>', 'play this act only; repeatable'))
    .addHelpText(
      'after',
      '\nExamples:\n  $ outrigger demo\n  $ outrigger demo --once --json\n  $ outrigger demo --once --act killed --sabotage retry',
    )
    .action(async (options: DemoOptions) => {
      const { demo } = await import('./demo/demo.ts');
      outcome.code = await demo(options, process);
    });
};

const repeatable = (flags: string, about: string): Option =>
  new Option(flags, about)
    .default([], 'none')
    .argParser((value: string, before: readonly string[]) => [...before, value]);

const port =
  (least: number) =>
  (text: string): number => {
    if (!/^\d{1,5}$/.test(text) || Number(text) < least || Number(text) > 65535)
      throw new InvalidArgumentError(`It must be a port from ${least} to 65535.`);
    return Number(text);
  };

const duration = (text: string): number => {
  const read = readDuration(text);
  if (read === null)
    throw new InvalidArgumentError("It must be a time with its unit, such as '200ms' or '5s'.");
  return read;
};

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const complain = (line: string): void => void process.stderr.write(`${line}\n`);

const version = (): string => {
  // Sources lie two folders below the package, built files three.
  for (const above of ['../..', '../../..'])
    try {
      const text = readFileSync(new URL(`${above}/package.json`, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      // The other place.
    }
  return 'unknown';
};
