import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { program } from '../../../sidecar/cli/program.ts';
import { deployed, documents, settingsIn } from '../../support/deploy.ts';
import { type ConfigMap, type Container, type Deployment, readObject } from '../../support/kubernetes.ts';

const path = 'kubernetes/orders.yaml';
const objects = documents(path).map(readObject);
const only = <T extends (typeof objects)[number]>(kind: T['kind']): T =>
  objects.find((each) => each.kind === kind) as T;
const { spec } = only<Deployment>('Deployment').spec.template;
const sidecar = spec.initContainers[0] as Container;
const app = spec.containers[0] as Container;
const settings = settingsIn(only<ConfigMap>('ConfigMap').data['mesh.yaml']!, path);
const portOf = (name: string): number | undefined =>
  sidecar.ports?.find((port) => port.name === name)?.containerPort;

describe('deploy/kubernetes', () => {
  it('has fields that Kubernetes has, and a misspelled one would be told (control)', () => {
    expect(objects.map(({ kind }) => kind)).toEqual(['ServiceAccount', 'ConfigMap', 'Deployment']);
    const wrong = parseAllDocuments(
      deployed(path).replaceAll('readOnlyRootFilesystem', 'readOnlyRootFileSystem'),
    ).map((document) => document.toJS() as unknown);
    expect(() => wrong.map(readObject)).toThrow('Unrecognized key: \\"readOnlyRootFileSystem\\"');
  });

  it('starts the sidecar before the app and ends it after: a native sidecar container', () => {
    expect(sidecar.restartPolicy).toBe('Always');
    expect(sidecar.lifecycle?.preStop.exec?.command).toContain('drain');
    expect(app.lifecycle?.preStop.sleep?.seconds).toBeGreaterThanOrEqual(settings.drain.notice / 1000);
    const { notice, calls, app: leave } = settings.drain;
    expect(spec.terminationGracePeriodSeconds).toBeGreaterThan((notice + calls + leave) / 1000 + 10);
  });

  it('does not make the app wait for what waits for the app', () => {
    expect(sidecar.startupProbe?.httpGet?.path).toBe('/live');
    expect(sidecar.livenessProbe?.httpGet?.path).toBe('/live');
    expect(sidecar.readinessProbe?.httpGet?.path).toBe('/ready');
  });

  it('asks probes where listen.health answers, and names the ports that listen', () => {
    expect(settings.listen.health).toEqual({ host: '0.0.0.0', port: portOf('health') });
    expect(settings.listen.peers).toEqual({ host: '0.0.0.0', port: portOf('peers') });
    for (const probe of [sidecar.startupProbe, sidecar.livenessProbe, sidecar.readinessProbe])
      expect(probe?.httpGet?.port).toBe('health');
    const { annotations } = only<Deployment>('Deployment').spec.template.metadata;
    expect(annotations?.['prometheus.io/port']).toBe(String(portOf('health')));
  });

  it('gives words that the command takes, and no variable that is not set', () => {
    const { args = [], env = [] } = sidecar;
    const used = args.flatMap((word) => [...word.matchAll(/\$\(([A-Z_]+)\)/g)].map(([, name]) => name));
    expect(used).toEqual(['HOST_IP', 'POD_IP']);
    expect(env.map(({ name }) => name)).toEqual(used);
    const commands = program({ code: 0 }).commands;
    const known = (name: string, words: readonly string[]): string[] => {
      const options = commands.find((command) => command.name() === name)!.options.map(({ long }) => long);
      return words.map((word) => word.split('=')[0]!).filter((word) => !options.includes(word));
    };
    expect(known('sidecar', args.slice(1))).toEqual([]);
    expect(known('drain', sidecar.lifecycle!.preStop.exec!.command.slice(3))).toEqual([]);
  });

  it('lets the sidecar write to memory alone, in folders that are mounted', () => {
    const mounts = new Map(sidecar.volumeMounts?.map((mount) => [mount.name, mount]));
    expect([...mounts.keys()].sort()).toEqual(spec.volumes.map(({ name }) => name).sort());
    for (const { name, emptyDir } of spec.volumes)
      expect(mounts.get(name)?.readOnly === true).toBe(emptyDir === undefined);
    const writable = spec.volumes
      .filter(({ emptyDir }) => emptyDir)
      .map(({ name }) => mounts.get(name)!.mountPath);
    const { control } = settings.listen as { control: { path: string } };
    const stateDir = settings.stateDir as { path: string };
    for (const written of [control.path, stateDir.path])
      expect(writable.some((folder) => written.startsWith(`${folder}/`))).toBe(true);
    expect(sidecar.lifecycle?.preStop.exec?.command.at(-1)).toBe(`--control=${control.path}`);
    const token = sidecar.args?.find((word) => word.startsWith('--token-file='))?.split('=')[1];
    expect(token?.startsWith(`${mounts.get('consul-token')!.mountPath}/`)).toBe(true);
  });

  it('tells the app where its sidecar is, and the sidecar where its app is', () => {
    const env = Object.fromEntries((app.env ?? []).map(({ name, value }) => [name, value]));
    const { host, port } = settings.listen.app as { host: string; port: number };
    expect(env).toEqual({
      OUTRIGGER_APP: `${host}:${port}`,
      OUTRIGGER_SERVICE: settings.service?.name,
      PORT: '50051',
    });
    expect(settings.service).toMatchObject({ app: { host: '127.0.0.1', port: 50051 }, check: 'none' });
  });
});
