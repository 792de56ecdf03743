import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { program } from '../../../sidecar/cli/program.ts';
import { deployed, documents, settingsIn } from '../../support/deploy.ts';
import { root } from '../../support/sources.ts';

/** The instructions of a Dockerfile, continuation lines joined, comments left out. */
const instructions = deployed('Dockerfile')
  .replaceAll(/^#.*$/gm, '')
  .replaceAll(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => line.trim().split(/\s+/));
const of = (name: string): string[][] => instructions.filter(([word]) => word === name);
const settingsOf = (text: string): ReturnType<typeof settingsIn> => settingsIn(text, 'mesh.yaml');

interface Compose {
  readonly services: Readonly<
    Record<
      string,
      {
        image: string;
        command?: string[];
        read_only?: boolean;
        cap_drop?: string[];
        network_mode?: string;
        volumes: string[];
        depends_on?: object;
        stop_grace_period?: string;
        environment?: Record<string, string>;
      }
    >
  >;
  readonly volumes: object;
}

describe('deploy/Dockerfile', () => {
  it('takes bases of one exact version, from the usual place', () => {
    expect(of('FROM').map(([, image]) => image)).toEqual([
      'node:22.23.3-bookworm-slim',
      'node:22.23.3-bookworm-slim',
    ]);
  });

  it('copies nothing but what is there and what is let in', () => {
    const allowed = deployed('Dockerfile.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = of('COPY')
      .filter((words) => !words.includes('--from=build'))
      .flatMap((words) => words.slice(1, -1));
    expect(copied.filter((path) => !allowed.includes(path))).toEqual([]);
    expect(allowed.filter((path) => !copied.includes(path))).toEqual([]);
    const there = readdirSync(root);
    expect(copied.filter((path) => !there.includes(path.replace('./', '')))).toEqual([]);
  });

  it('runs as nobody in particular, by a number, with a command that the program has', () => {
    expect(of('USER').at(-1)).toEqual(['USER', '1000:1000']);
    const [, ...words] = of('CMD')[0]!;
    expect(JSON.parse(words.join(' '))).toEqual(['sidecar', '--config', '/etc/outrigger/mesh.yaml']);
    expect(program({ code: 0 }).commands.map((command) => command.name())).toContain('sidecar');
  });
});

describe('deploy/compose', () => {
  const { services, volumes } = documents<Compose>('compose/compose.yaml')[0]!;

  it('mounts files that are there, and volumes that are declared', () => {
    const mounted = Object.values(services).flatMap(({ volumes: all }) =>
      all.map((text) => text.split(':')[0]!),
    );
    const named = mounted.filter((source) => !source.startsWith('./'));
    expect([...new Set(named)]).toEqual(Object.keys(volumes));
    const files = readdirSync(join(root, 'deploy/compose'), { recursive: true, encoding: 'utf8' });
    for (const source of mounted.filter((each) => each.startsWith('./')))
      expect(files).toContain(source.slice(2));
  });

  it('names images of one exact version, and services that are there', () => {
    for (const [name, { image, depends_on = {}, network_mode }] of Object.entries(services)) {
      expect(image, name).toMatch(/^[a-z/]+:\d+\.\d+\.\d+$/);
      const needed = [
        ...Object.keys(depends_on),
        ...(network_mode?.startsWith('service:') ? [network_mode.slice(8)] : []),
      ];
      for (const other of needed) expect(Object.keys(services)).toContain(other);
    }
  });

  it('lets none of ours write to its root or keep a right', () => {
    const ours = Object.entries(services).filter(([, { image }]) => image.startsWith('outrigger:'));
    expect(ours.map(([name]) => name)).toEqual(['inventory', 'inventory-sidecar', 'call']);
    for (const [, service] of ours) expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'] });
  });

  it('has settings that hold, of an app that the sidecar meets on loopback', () => {
    const settings = settingsOf(deployed('compose/mesh/inventory.yaml'));
    expect(settings).toMatchObject({
      service: { name: 'inventory', app: { host: '127.0.0.1', port: 50051 } },
      advertise: { host: 'inventory' },
      discovery: { url: 'http://consul:8500', tokenFile: '/tokens/inventory' },
    });
    expect(services['inventory-sidecar']?.network_mode).toBe('service:inventory');
    expect(services['inventory']?.environment).toEqual({ OUTRIGGER_APP: '127.0.0.1:15001', PORT: '50051' });
    const { notice, calls, app } = settings.drain;
    expect(Number.parseInt(services['inventory-sidecar']!.stop_grace_period!, 10)).toBeGreaterThan(
      (notice + calls + app) / 1000 + 10,
    );
  });

  it('calls with words that the command takes', () => {
    const [name, ...words] = services['call']!.command!;
    const known = program({ code: 0 })
      .commands.find((command) => command.name() === name)!
      .options.map(({ long }) => long);
    const options = words.filter((word) => word.startsWith('--')).map((word) => word.split('=')[0]);
    expect(options.filter((option) => !known.includes(option!))).toEqual([]);
  });
});

describe('deploy/nomad', () => {
  const job = deployed('nomad/orders.nomad.hcl');

  it('closes what it opens', () => {
    const code = job
      .replaceAll(/<<-YAML[\s\S]*?YAML/g, '')
      .replaceAll(/^\s*#.*$/gm, '')
      .replaceAll(/"[^"]*"/g, '');
    expect(code.split('{').length).toBe(code.split('}').length);
    expect(code.split('[').length).toBe(code.split(']').length);
  });

  it('has settings that hold once Nomad has filled them in', () => {
    const [, template] = /<<-YAML\n([\s\S]*?)\n\s*YAML/.exec(job) ?? [];
    const values: Record<string, string> = {
      NOMAD_PORT_app: '23001',
      NOMAD_PORT_peers: '23002',
      NOMAD_PORT_health: '23003',
      NOMAD_SECRETS_DIR: '/secrets',
    };
    const filled = template!.replaceAll(/\{\{ env "(\w+)" \}\}/g, (_, name: string) => values[name]!);
    const settings = settingsOf(filled);
    expect(settings).toMatchObject({
      service: { name: 'orders', app: { host: '127.0.0.1', port: 23001 }, check: 'grpc' },
      listen: { peers: { host: '0.0.0.0', port: 23002 }, health: { host: '0.0.0.0', port: 23003 } },
      discovery: { tokenFile: '/secrets/consul_token' },
    });
    const { notice, calls, app } = settings.drain;
    const [, seconds] = /kill_timeout = "(\d+)s"/.exec(job) ?? [];
    expect(Number(seconds)).toBeGreaterThan((notice + calls + app) / 1000 + 10);
    for (const [, name] of job.matchAll(/NOMAD_PORT_(\w+)/g)) expect(job).toContain(`port "${name}" {}`);
  });
});
