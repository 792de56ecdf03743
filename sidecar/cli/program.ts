import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { isExecutable, packed } from '../core/executable.ts';
import { readDuration } from '../core/units.ts';
import type { Parent } from './beside.ts';
import type { CallOptions } from './call/call.ts';
import type { DemoOptions } from './demo/demo.ts';
import type { DoctorOptions } from './doctor.ts';
import { Exit, UsageError } from './exit.ts';
import { addLogLevel } from './log-level-command.ts';
import type { RunOptions } from './run.ts';
import type { SidecarOptions } from './sidecar.ts';
import { addTypes } from './types/add.ts';

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
  addDrain(outrigger, outcome);
  addLogLevel(outrigger, outcome);
  addAgent(outrigger, outcome);
  addCheck(outrigger, outcome);
  addDoctor(outrigger, outcome);
  addCall(outrigger, outcome);
  addDemo(outrigger, outcome);
  addTypes(outrigger, outcome);
  addBeside(outrigger, outcome);
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
The app finds the sidecar in OUTRIGGER_APP, its own name in OUTRIGGER_SERVICE and the file in OUTRIGGER_CONFIG. Signals are passed on; the first
SIGTERM drains, a second one ends at once. The app's end ends the sidecar, and its exit code is passed on. A sidecar
that ends unasked is started again on the same ports, and the app goes on.

Examples:
  $ outrigger run --service orders --port 50051 -- node orders.js
  $ outrigger run --service web --upstream orders=127.0.0.1:9191 -- ./web        a pure caller
  $ outrigger run --config mesh.yaml -- python orders.py`,
    )
    .action(async (command: string[], options: RunOptions) => {
      const [{ run }, { supervising }] = await Promise.all([import('./run.ts'), import('./started.ts')]);
      outcome.code = await run(options, command, await supervising());
    });
};

const addSidecar = (outrigger: Command, outcome: Outcome): void => {
  outrigger
    .command('sidecar')
    .description('Run a sidecar alone, for an app that something else starts')
    .requiredOption('--config <file>', 'settings file; what stands here wins over it')
    .option('--consul <url>', 'Consul agent')
    .option('--token-file <file>', 'ACL token for Consul')
    .option('--advertise <host>', 'host, or host:port, where other sidecars find this one')
    .addHelpText(
      'after',
      `
The first SIGTERM drains, a second one ends at once.

Examples:
  $ outrigger sidecar --config mesh.yaml
  $ outrigger sidecar --config mesh.yaml --consul http://$HOST_IP:8500 --advertise $POD_IP
  $ curl 127.0.0.1:15000/ready`,
    )
    .action(async (options: SidecarOptions) => {
      const [{ sidecar }, { surroundings }] = await Promise.all([
        import('./sidecar.ts'),
        import('./started.ts'),
      ]);
      outcome.code = await sidecar(options, await surroundings());
    });
};

const addDrain = (outrigger: Command, outcome: Outcome): void => {
  outrigger
    .command('drain')
    .description('Take a running sidecar out of the mesh; it ends by a signal, when its app is gone')
    .requiredOption('--control <path>', 'its control socket, listen.control in its settings')
    .option('--timeout <time>', 'how long calls in flight are waited for', duration, 30_000)
    .addHelpText('after', '\nExamples:\n  $ outrigger drain --control /run/outrigger-orders/control.sock')
    .action(async ({ control, timeout }: { control: string; timeout: number }) => {
      const { drain } = await import('./drain.ts');
      outcome.code = await drain({ control, timeoutMs: timeout });
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

const addDoctor = (outrigger: Command, outcome: Outcome): void => {
  outrigger
    .command('doctor')
    .description('Say what is missing on this host and in Consul, each with its remedy')
    .argument('[file]', 'settings file')
    .option('--service <name>', 'name of the service that the app is')
    .option('--port <port>', 'where the app answers', port(1))
    .addOption(repeatable('--upstream <name>', 'a service that is called; repeatable'))
    .option('--consul <url>', 'Consul agent (default: CONSUL_HTTP_ADDR, or http://127.0.0.1:8500)')
    .option('--token-file <file>', 'ACL token for Consul (default: CONSUL_HTTP_TOKEN_FILE)')
    .option('--free-ports', 'ports that the file does not name are free ones, as with outrigger run')
    .option('--json', 'one JSON object on stdout')
    .addHelpText(
      'after',
      `
Exit code ${Exit.ok}: no fault; ${Exit.failure}: at least one.

Examples:
  $ outrigger doctor mesh.yaml
  $ outrigger doctor --service orders --port 50051 --upstream inventory
  $ outrigger doctor mesh.yaml --json`,
    )
    .action(async (file: string | undefined, options: DoctorOptions) => {
      const { doctor } = await import('./doctor.ts');
      outcome.code = await doctor(file, options, { env: process.env, write: print });
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
    .option(
      '--sabotage <defence>',
      'take a defence away: retry, eject, balance, drain, snapshot, intentions or identity',
    )
    .addOption(repeatable('--act <name>', 'play this act only; repeatable'))
    .addHelpText(
      'after',
      '\nExamples:\n  $ outrigger demo\n  $ outrigger demo --once --json\n  $ outrigger demo --once --act killed --sabotage retry',
    )
    .action(async (options: DemoOptions) => {
      if (isExecutable())
        throw new UsageError(
          'the demo is not in the single executable: run `npm ci && npm run demo` in the sources',
        );
      const { demo } = await import('./demo/demo.ts');
      outcome.code = await demo(options, process);
    });
};

/** Not for people: `run` starts its sidecar by it. */
const addBeside = (outrigger: Command, outcome: Outcome): void => {
  outrigger.command('beside', { hidden: true }).action(async () => {
    if (process.send === undefined)
      throw new UsageError('outrigger run starts this by itself; use outrigger sidecar');
    const [{ beside }, { surroundings }] = await Promise.all([import('./beside.ts'), import('./started.ts')]);
    outcome.code = await beside(process as unknown as Parent, await surroundings());
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
  if (isExecutable()) return (JSON.parse(packed('package.json').toString()) as { version: string }).version;
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
