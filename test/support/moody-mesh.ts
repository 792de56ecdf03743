import { afterEach } from 'vitest';
import { type Sidecar, startSidecar } from '../../sidecar/index.ts';
import type { Sabotage } from '../../sidecar/sabotage.ts';
import { readSettings } from '../../sidecar/settings/load.ts';
import { type Answer, EchoClient } from './echo-client.ts';
import { type MoodyApp, moodyApps } from './moody-app.ts';

/** A caller's sidecar, and apps of the service `moody` that it calls without sidecars between. */
export interface MoodyMesh {
  readonly caller: Sidecar;
  readonly apps: readonly MoodyApp[];
  /** One call; without a deadline unless one is given. */
  call(deadlineMs?: number): Promise<Answer>;
  /** So many, one after the other; the codes that were not OK. */
  calls(count: number, deadlineMs?: number): Promise<number[]>;
  /** The gates of the endpoints, in the order of the apps. */
  gates(): string[];
  /** The gate of the service. */
  gate(): string;
}

/** What differs from the usual. */
export interface MoodyOptions {
  /** What holds for calls to the service, in the words of the settings file. */
  readonly policy?: object;
  readonly sabotage?: readonly Sabotage[];
}

/** How a test file starts such meshes; all of it ends after the test. */
export const moodyMeshes = (): ((instances: number, options?: MoodyOptions) => Promise<MoodyMesh>) => {
  const open: { close(): unknown }[] = [];
  const keep = <T extends { close(): unknown }>(each: T): T => {
    open.push(each);
    return each;
  };
  afterEach(async () => {
    for (const each of open.splice(0).reverse()) await each.close();
  });
  return async (instances, { policy = {}, sabotage = [] } = {}) => {
    const apps = await moodyApps(instances);
    apps.forEach(keep);
    const settings = {
      service: { name: 'web' },
      listen: { app: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' },
      discovery: { static: { services: { moody: apps.map(({ address }) => address) } } },
      identity: 'none',
      policies: { moody: policy },
    };
    const read = readSettings(JSON.stringify(settings), 'test.yaml', '/');
    const caller = keep(await startSidecar(read.settings, { sabotage: new Set(sabotage) }));
    await caller.ready;
    const client = keep(new EchoClient(caller.ports.app, { 'grpc.default_authority': 'moody' }));
    const call = (deadlineMs?: number): Promise<Answer> => client.call('Unary', 'm', { deadlineMs });
    const calls = async (count: number, deadlineMs?: number): Promise<number[]> => {
      const bad: number[] = [];
      for (let at = 0; at < count; at++) {
        const { code } = await call(deadlineMs);
        if (code !== 0) bad.push(code);
      }
      return bad;
    };
    const gates = (): string[] =>
      apps.map((app) => caller.endpoints().find(({ address }) => address === app.address)!.gate);
    const gate = (): string => caller.services()[0]!.gate;
    return { caller, apps, call, calls, gates, gate };
  };
};
