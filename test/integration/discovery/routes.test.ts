import * as grpc from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { portionOf } from '../../../sidecar/policies/split.ts';
import { eventually } from '../../support/eventually.ts';
import { consulVersion, startRealConsul } from '../../support/real-consul.ts';
import { type AppName, type RouteMesh, routeMesh } from '../../support/route-mesh.ts';
import { steadily } from '../../support/steady-load.ts';

const version = consulVersion();
if (version === null) console.log('consul is not on PATH: routes by a real Consul are skipped');

const agents: [string, () => Promise<{ readonly url: string; close(): Promise<void> }>, boolean][] = [
  ['the development agent', () => startAgent(), false],
  [`a real Consul ${version ?? '(none on PATH)'}`, startRealConsul, version === null],
];

const subsets = {
  v1: { Filter: 'Service.Meta.version == v1' },
  v2: { Filter: 'Service.Meta.version == v2' },
  v3: { Filter: 'Service.Meta.version == v3' },
};
const resolver = (rest: object = {}) => ({
  Kind: 'service-resolver',
  Name: 'web',
  Subsets: subsets,
  ...rest,
});
const splitter = (...Splits: object[]) => ({ Kind: 'service-splitter', Name: 'web', Splits });
const router = (...Routes: object[]) => ({ Kind: 'service-router', Name: 'web', Routes });
const apps: readonly AppName[] = ['v1', 'v2', 'spare', 'admin'];
const header = (name: string, value: string) => ({ metadata: [[name, value] as const] });

for (const [name, start, skip] of agents)
  describe.skipIf(skip)(`routes by ${name}`, () => {
    const closing: { close(): unknown }[] = [];
    let mesh: RouteMesh;
    beforeAll(async () => {
      const agent = await start();
      closing.push(agent);
      mesh = await routeMesh(agent.url);
      closing.push(mesh);
    }, 60_000);
    afterAll(async () => {
      for (const each of closing.reverse()) await each.close();
    });
    // The next story begins where calls go to both versions.
    afterEach(() => clear());

    const clear = async (): Promise<void> => {
      if (mesh.caller.snapshot().routes.has('web')) await mesh.changes(() => mesh.clear());
      else await mesh.clear();
      // Not every entry makes a route; one change may be two.
      const end = Date.now() + 5000;
      while (mesh.caller.snapshot().routes.has('web')) {
        if (Date.now() > end) throw new Error('the routes of web do not go away');
        await mesh.where();
      }
    };
    /** Makes a change, which must be known within a second. */
    const change = async (entry: object): Promise<void> => {
      expect(await mesh.changes(() => mesh.put(entry))).toBeLessThan(1000);
    };
    const reached = async (count: number, words = {}): Promise<string[]> => {
      const found = new Set<string>();
      for (let at = 0; at < count; at++) found.add(await mesh.where(words));
      return [...found].sort();
    };

    it('without entries: calls go to every instance', async () => {
      expect(await reached(60)).toEqual(['v1', 'v2']);
      expect(mesh.caller.snapshot().routes.size).toBe(0);
    });

    it('a default subset: its instances alone are called', async () => {
      await change(resolver({ DefaultSubset: 'v2' }));
      expect(await reached(40)).toEqual(['v2']);
    });

    it('a split: each id takes one leg, by whichever sidecar it goes', async () => {
      await mesh.put(resolver());
      await change(splitter({ Weight: 70, ServiceSubset: 'v1' }, { Weight: 30, ServiceSubset: 'v2' }));
      const other = await mesh.addCaller('other-edge');
      const ids = Array.from({ length: 60 }, (_, at) => `order-${at}`);
      const wanted = ids.map((id) => (portionOf('web', id) < 0.7 ? 'v1' : 'v2'));
      expect(wanted.filter((leg) => leg === 'v2').length).toBeGreaterThan(8);
      for (const client of [mesh.client, other.client]) {
        const found: string[] = [];
        for (const id of ids) found.push(await mesh.where(header('x-request-id', id), client));
        expect(found).toEqual(wanted);
      }
    });

    it('a redirect: another service is called in the place of this one', async () => {
      await change({ Kind: 'service-resolver', Name: 'web', Redirect: { Service: 'spare' } });
      expect(await reached(20)).toEqual(['spare']);
    });

    it('a failover: over a datacenter that there is not, to another service', async () => {
      await change(
        resolver({
          DefaultSubset: 'v3',
          Failover: { v3: { Service: 'spare', Datacenters: ['dc2', 'dc1'] } },
        }),
      );
      expect(await reached(20)).toEqual(['spare']);
    });

    it('a failover between subsets, and none where the first choice is there', async () => {
      await change(resolver({ DefaultSubset: 'v3', Failover: { '*': { ServiceSubset: 'v1' } } }));
      expect(await reached(20)).toEqual(['v1']);
      await change(resolver({ DefaultSubset: 'v2', Failover: { '*': { ServiceSubset: 'v1' } } }));
      expect(await reached(20)).toEqual(['v2']);
    });

    it('header and path routes: the first that fits decides', async () => {
      await mesh.put(resolver());
      const to = (ServiceSubset: string) => ({ ServiceSubset });
      const by = (Header: object) => ({ HTTP: { Header: [Header] } });
      await change(
        router(
          { Match: by({ Name: 'x-who', Exact: 'admin' }), Destination: { Service: 'admin' } },
          { Match: by({ Name: 'x-who', Prefix: 'v1' }), Destination: to('v1') },
          { Match: by({ Name: 'x-who', Suffix: '-v2' }), Destination: to('v2') },
          { Match: by({ Name: 'x-who', Regex: '[0-9]{3}' }), Destination: { Service: 'spare' } },
          { Match: by({ Name: 'x-keep', Exact: 'yes', Invert: true }), Destination: { Service: 'admin' } },
          { Match: { HTTP: { PathPrefix: '/interop.Echo/T' } }, Destination: { Service: 'spare' } },
          { Match: { HTTP: { PathPrefix: '/', Methods: ['GET'] } }, Destination: { Service: 'admin' } },
          { Match: { HTTP: { PathExact: '/interop.Echo/Unary' } }, Destination: to('v1') },
        ),
      );
      const cases: [string, string, AppName][] = [
        ['x-who', 'admin', 'admin'],
        ['x-who', 'v1-or-so', 'v1'],
        ['x-who', 'my-v2', 'v2'],
        ['x-who', '123', 'spare'],
        ['x-who', '1234', 'v1'],
        ['x-keep', 'no', 'admin'],
        ['x-keep', 'yes', 'v1'],
        ['x-none', 'a', 'v1'],
      ];
      for (const [key, value, app] of cases)
        expect([key, value, await mesh.where(header(key, value))]).toEqual([key, value, app]);
      const before = mesh.apps.spare.seen.length;
      await mesh.client.call('Timeout', 'm');
      expect(mesh.apps.spare.seen.length).toBe(before + 1);
      expect(mesh.caller.snapshot().unheeded.get('web')).toEqual([
        'route 7: never taken, because it asks for GET, and gRPC calls are POST',
      ]);
    });

    it('a route rewrites the path and bounds the time', async () => {
      await change(
        router(
          {
            Match: { HTTP: { PathPrefix: '/old.Echo/' } },
            Destination: { PrefixRewrite: '/interop.Echo/' },
          },
          { Match: { HTTP: { PathExact: '/interop.Echo/Slow' } }, Destination: { RequestTimeout: '150ms' } },
        ),
      );
      const { code } = await mesh.client.raw('/old.Echo/Unary', Buffer.from('m'));
      expect(code).toBe(grpc.status.OK);
      const begun = performance.now();
      const slow = await mesh.client.call('Slow', 'k', { deadlineMs: 5000 });
      expect([slow.code, performance.now() - begun < 1000]).toEqual([grpc.status.DEADLINE_EXCEEDED, true]);
    });

    it('changes take effect within a second, and cost no call', async () => {
      const load = steadily(mesh.client, 4);
      closing.push({ close: () => load.stop() });
      const only = async (app: AppName, work: () => Promise<void>): Promise<void> => {
        expect(await mesh.changes(work)).toBeLessThan(1000);
        // What went by the routes before is still answered.
        await new Promise((later) => setTimeout(later, 50));
        const others = apps.filter((other) => other !== app);
        const before = others.map((other) => mesh.apps[other].seen.length);
        const own = mesh.apps[app].seen.length;
        await new Promise((later) => setTimeout(later, 200));
        expect(others.map((other) => mesh.apps[other].seen.length)).toEqual(before);
        expect(mesh.apps[app].seen.length).toBeGreaterThan(own);
      };
      const put = (entry: object) => () => mesh.put(entry);
      await only('v1', put(resolver({ DefaultSubset: 'v1' })));
      await only('v2', put(splitter({ Weight: 100, ServiceSubset: 'v2' })));
      await only('admin', put(router({ Destination: { Service: 'admin' } })));
      await only('v2', () => mesh.remove('service-router', 'web'));
      await only('spare', put(splitter({ Weight: 100, Service: 'spare' })));
      await only('v1', () => mesh.remove('service-splitter', 'web'));
      await only('spare', put({ Kind: 'service-resolver', Name: 'web', Redirect: { Service: 'spare' } }));
      await clear();
      // One that answered late at first gets few calls until that is forgotten.
      await eventually(async () => (await reached(20)).join() === 'v1,v2', 'calls to go to both');
      await load.stop();
      expect(load.complaints).toEqual([]);
      expect(load.codes.length).toBeGreaterThan(500);
    }, 30_000);

    it('a failover when the last instance leaves', async () => {
      await mesh.put({ Kind: 'service-resolver', Name: 'spare', Failover: { '*': { Service: 'admin' } } });
      await change({ Kind: 'service-resolver', Name: 'web', Redirect: { Service: 'spare' } });
      expect(await reached(20)).toEqual(['spare']);
      await mesh.sidecars.spare.drain();
      const end = Date.now() + 5000;
      while ((await mesh.where()) !== 'admin') expect(Date.now()).toBeLessThan(end);
      expect(await reached(20)).toEqual(['admin']);
    }, 30_000);
  });
