import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { type Certificates, certificates } from '../support/certificates.ts';
import { startEcho } from '../support/echo.ts';
import { runProcess, startProcess } from '../support/processes.ts';
import { metricsOf } from '../support/sidecars.ts';
import { playNode, type Until } from './node-client.ts';
import type { Language } from './tools.ts';

/** How much is played. */
export interface Amount {
  /** How long the clients call through the sidecars. */
  readonly seconds: number;
  /** Streams at once, of each client to each server. */
  readonly streams: number;
}

/** What one client saw of one server. */
export interface Comparison {
  readonly client: string;
  readonly server: string;
  /** Rounds through the sidecars; as many were played directly. */
  readonly rounds: number;
  /** Where the two differ first; null when they are identical. */
  readonly difference: string | null;
}

/** What came of it. */
export interface Outcome {
  readonly comparisons: readonly Comparison[];
  /** Limits that honest clients and servers broke, as the sidecars counted them: there should be none. */
  readonly breaches: readonly string[];
}

interface Server {
  readonly name: string;
  readonly port: number;
  close(): void | Promise<void>;
}

/**
 * Has each client call each server through two sidecars with mutual TLS, all at once, and then directly, with the
 * same seeds and as many rounds; compares what they wrote. Rejects when a client fails.
 */
export const compare = async (languages: readonly Language[], amount: Amount): Promise<Outcome> => {
  const made = await certificates();
  const servers: Server[] = [];
  const sidecars: Sidecar[] = [];
  try {
    for (const { name, server } of languages) {
      const started = await startProcess(server[0]!, server.slice(1));
      servers.push({
        name,
        port: (JSON.parse(started.first) as { port: number }).port,
        close: started.close,
      });
    }
    servers.push({ name: 'node', ...portAndClose(await startEcho()) });
    const services: Record<string, string[]> = {};
    for (const { name, port } of servers) {
      const callee = await sidecar(made, nameOf(name), { port }, {});
      sidecars.push(callee);
      services[nameOf(name)] = [callee.ports.peers!];
    }
    const caller = await sidecar(made, 'web', {}, services);
    sidecars.push(caller);
    const clients: [string, Play][] = languages.map((each) => [each.name, playOf(each, amount.seconds)]);
    clients.push(['node', playNode]);
    const pairs = clients.flatMap((client) => servers.map((server) => ({ client, server })));
    const comparisons = await Promise.all(
      pairs.map(({ client: [name, calls], server }, seed) =>
        play(name, calls, server, caller.ports.app, seed + 1, amount),
      ),
    );
    return { comparisons, breaches: sidecars.flatMap(breachesOf) };
  } finally {
    await Promise.all(sidecars.map((each) => each.close()));
    await Promise.all(servers.map((each) => each.close()));
    await made.close();
  }
};

/** A round takes a second or two; on a busy machine ten times that. */
const patienceMs = 90_000;

/** Calls a target as a service, with a seed, until told; the lines it wrote. */
type Play = (
  target: string,
  authority: string,
  seed: number,
  until: Until,
  streams: number,
) => Promise<string[]>;

const playOf = ({ client }: Language, seconds: number): Play => {
  const [command, ...first] = client as [string, ...string[]];
  return (target, authority, seed, until, streams) => {
    const much = 'ms' in until ? ['seconds', `${until.ms / 1000}`] : ['rounds', `${until.rounds}`];
    const args = [...first, target, authority, `${seed}`, ...much, `${streams}`];
    return runProcess(command, args, seconds * 1000 + patienceMs);
  };
};

const play = async (
  client: string,
  calls: Play,
  server: Server,
  app: string,
  seed: number,
  { seconds, streams }: Amount,
): Promise<Comparison> => {
  const name = nameOf(server.name);
  const mesh = await calls(app, name, seed, { ms: seconds * 1000 }, streams);
  const direct = await calls(`127.0.0.1:${server.port}`, name, seed, { rounds: mesh.length }, streams);
  return { client, server: server.name, rounds: mesh.length, difference: differenceOf(mesh, direct) };
};

/**
 * `streams` is left out: a call may open in the same octets that reset another, before its place is free; it is
 * refused and tried again, which no caller sees.
 */
const breachesOf = (started: Sidecar): string[] =>
  [...metricsOf(started)]
    .filter(
      ([line, value]) =>
        value > 0 && /_breaches_|_lost_|_handshakes_refused_/.test(line) && !line.includes('limit="streams"'),
    )
    .map(([line, value]) => `${started.service}: ${line} ${value}`);

const nameOf = (language: string): string => `echo-${language}`;

const portAndClose = (app: { port: number; close(): void }): { port: number; close(): void } => ({
  port: app.port,
  close: () => app.close(),
});

const sidecar = async (
  made: Certificates,
  name: string,
  app: { readonly port?: number },
  services: Readonly<Record<string, readonly string[]>>,
): Promise<Sidecar> => {
  const settings = {
    service: { name, ...app },
    listen: {
      app: '127.0.0.1:0',
      admin: '127.0.0.1:0',
      control: 'none',
      ...('port' in app && { peers: '127.0.0.1:0' }),
    },
    discovery: { static: { services } },
    identity: { files: await made.write(name) },
  };
  const started = await startSidecar(
    readSettings(JSON.stringify(settings), 'interop.yaml', made.directory).settings,
  );
  await started.ready;
  return started;
};

/** The first line that differs, and where in it. */
/** What a client wrote, without what sidecars say beside what servers said: who had the time of a failed call. */
const withoutOurs = (line: string): string => line.replace(ownPair, '');
const pair = '\\["x-outrigger-(?:ledger|attempts|endpoint)", ?(?:"[^"]*"|\\["[^"]*"\\])\\]';
const ownPair = new RegExp(`, ?${pair}|${pair}(?:, ?)?`, 'g');

const differenceOf = (mesh: readonly string[], direct: readonly string[]): string | null => {
  for (const [round, said] of mesh.entries()) {
    const line = withoutOurs(said);
    const other = direct[round] ?? '';
    if (line === other) continue;
    let at = 0;
    while (line[at] === other[at]) at++;
    const near = (text: string): string => text.slice(Math.max(0, at - 160), at + 160);
    return `round ${round + 1}, letter ${at}:\n  sidecars: ...${near(line)}\n  direct:   ...${near(other)}`;
  }
  return mesh.length === direct.length ? null : `${mesh.length} rounds against ${direct.length}`;
};
