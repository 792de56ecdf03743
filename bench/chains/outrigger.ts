import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../../test/support/free-ports.ts';
import type { Chain, Counted, Ground, Start } from './chain.ts';
import { type Program, startProgram } from './program.ts';

/** As users start it, and, for a profile, the program that this starts. */
const launcher = fileURLToPath(new URL('../../../bin/outrigger', import.meta.url));
const program = fileURLToPath(new URL('../../sidecar/cli/main.js', import.meta.url));

type Variables = Readonly<Record<string, string>>;

const sidecar = (
  ground: Ground,
  name: string,
  file: string,
  port: number,
  variables: Variables = {},
): Promise<Program> => {
  const path = `${ground.directory}/${name}.yaml`;
  writeFileSync(path, file);
  const words = ['sidecar', '--config', path];
  const log = `${ground.directory}/${name}.log`;
  if (ground.profiles === null) return startProgram(launcher, words, log, port, variables);
  const profile = ['--cpu-prof', `--cpu-prof-dir=${ground.profiles}`, program];
  return startProgram(process.execPath, [...profile, ...words], log, port, variables);
};

/** The sidecar as anyone would run it: every filter and every metric on, log level and limits as they come. */
export const startOutrigger: Start = (ground, hops) => (hops === 1 ? one(ground) : two(ground));

/** The same with one proxy that exports the spans of sampled traces, to a collector that takes them and forgets. */
export const startTraced: Start = async (ground) => {
  const collector = createServer((request, response) => {
    request.resume().once('end', () => response.end());
  });
  collector.listen(0, '127.0.0.1');
  await once(collector, 'listening');
  const { port } = collector.address() as AddressInfo;
  const traced = await one(ground, 'outrigger-traced', {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
    OTEL_TRACES_SAMPLER: 'parentbased_always_off',
  });
  const stop = async (): Promise<void> => {
    await traced.stop();
    collector.close();
    collector.closeAllConnections();
  };
  return { ...traced, stop };
};

const one = async (
  ground: Ground,
  name: Chain['name'] = 'outrigger',
  variables: Variables = {},
): Promise<Chain> => {
  const [app, admin] = (await freePorts(2)) as [number, number];
  const file = [
    `listen: { app: "127.0.0.1:${app}", admin: "127.0.0.1:${admin}", control: none }`,
    `discovery: { static: { services: { echo: ["127.0.0.1:${ground.backendPort}"] } } }`,
    'identity: none',
  ];
  return chain(name, [await sidecar(ground, name, `${file.join('\n')}\n`, app, variables)], app, admin);
};

const two = async (ground: Ground): Promise<Chain> => {
  const ports = (await freePorts(5)) as [number, number, number, number, number];
  const [app, admin, peers, farApp, farAdmin] = ports;
  const { directory } = ground.certificates;
  const identity = (name: string): string =>
    `identity: { files: { cert: ${directory}/${name}.pem, key: ${directory}/${name}.key, ca: ${directory}/ca.pem } }`;
  const near = [
    'service: { name: web }',
    `listen: { app: "127.0.0.1:${app}", admin: "127.0.0.1:${admin}", control: none }`,
    `discovery: { static: { services: { echo: ["127.0.0.1:${peers}"] } } }`,
    identity('web'),
  ];
  const far = [
    `service: { name: echo, port: ${ground.backendPort} }`,
    `listen: { app: "127.0.0.1:${farApp}", peers: "127.0.0.1:${peers}", admin: "127.0.0.1:${farAdmin}", control: none }`,
    'discovery: { static: { services: {} } }',
    identity('echo'),
  ];
  const server = await sidecar(ground, 'outrigger-echo', `${far.join('\n')}\n`, peers);
  try {
    const client = await sidecar(ground, 'outrigger-web', `${near.join('\n')}\n`, app);
    return chain('outrigger', [client, server], app, admin);
  } catch (error) {
    await server.stop();
    throw error;
  }
};

const chain = (name: Chain['name'], programs: readonly Program[], port: number, admin: number): Chain => ({
  name,
  port,
  pids: programs.map(({ pid }) => pid),
  counted: () => count(admin),
  stop: async () => {
    await Promise.all(programs.map((program) => program.stop()));
  },
});

/** Outbound calls by the sidecar's own account. */
const count = async (admin: number): Promise<Counted> => {
  const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text();
  let [ok, others] = [0, 0];
  for (const line of text.split('\n')) {
    if (!line.startsWith('outrigger_calls_total{') || !line.includes('direction="outbound"')) continue;
    const value = Number(line.slice(line.lastIndexOf(' ') + 1));
    if (line.includes('code="OK"')) ok += value;
    else others += value;
  }
  return { ok, others };
};
