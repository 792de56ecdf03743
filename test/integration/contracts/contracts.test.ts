import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { plainSnapshot } from '../../../sidecar/control/pages.ts';
import { type Api, apiOf } from '../../support/consul-api.ts';
import { closedAfterEach } from '../../support/kept.ts';
import { consulVersion, startRealConsul } from '../../support/real-consul.ts';
import { sumOf } from '../../support/sidecars.ts';
import { type Caller, type Shops, shopsAt } from './mesh.ts';

const version = consulVersion();
if (version === null) console.log('consul is not on PATH: contracts in a real Consul are skipped');
const agents: [string, () => Promise<{ readonly url: string; close(): Promise<void> }>, boolean][] = [
  ['the development agent', () => startAgent(), false],
  [`a real Consul ${version ?? '(none on PATH)'}`, startRealConsul, version === null],
];

const keep = closedAfterEach();

/** Facts must be there so soon after the first call, milliseconds. */
const soonMs = 1000;
const get = '/shop.Inventory/Get';
const put = '/shop.Inventory/Put';
const order = '/shop.Inventory/Order';
const watch = '/shop.Inventory/Watch';

for (const [name, startOne, skip] of agents)
  describe.skipIf(skip)(`what is known of methods, with ${name}`, () => {
    const start = async (): Promise<{ shops: Shops; api: Api }> => {
      const agent = keep(await startOne());
      return { shops: keep(await shopsAt(agent.url)), api: apiOf(agent.url) };
    };

    /** Until `holds`; answers how long that took, in milliseconds. */
    const until = async (holds: () => boolean, mostMs = 10 * soonMs): Promise<number> => {
      const begun = performance.now();
      while (!holds()) {
        if (performance.now() - begun > mostMs) throw new Error('never');
        await pause(5);
      }
      return performance.now() - begun;
    };

    /** Calls for the first time; answers how long it took until facts were there. */
    const firstCall = async ({ call, known }: Caller): Promise<number> => {
      const begun = performance.now();
      expect(await call(get)).toBe(0);
      await until(() => known(get) !== '');
      return performance.now() - begun;
    };

    const byReflection = 'unary idempotent by contract of inventory e6f3cb3c…';

    it.each(['v1', 'v1alpha'] as const)(
      'comes from the reflection %s of the app within a second of the first call',
      async (reflection) => {
        const { shops } = await start();
        await shops.open({ reflection });
        const caller = await shops.caller();
        expect(caller.known(get)).toBe(''); // control: nobody has called, so nothing is known
        const took = await firstCall(caller);
        console.log(`facts by reflection ${reflection} after ${took.toFixed(0)} ms`);
        expect(took).toBeLessThan(soonMs);
        expect([get, put, order, watch].map((method) => caller.known(method))).toEqual([
          byReflection,
          byReflection,
          'unary by contract of inventory e6f3cb3c…',
          'stream idempotent by contract of inventory e6f3cb3c…',
        ]);
        expect(caller.known('/shop.Inventory/Other')).toBe('');
        expect(plainSnapshot(caller.sidecar.snapshot())).toMatchObject({
          policies: {
            inventory: {
              methods: { [get]: { idempotent: { value: true, origin: 'contract of inventory e6f3cb3c…' } } },
            },
          },
        });
        expect(sumOf(caller.sidecar, 'outrigger_contracts_total', 'outcome="fetched"')).toBe(1);
      },
      60_000,
    );

    it('comes from a descriptor set, where the app has no reflection', async () => {
      const { shops } = await start();
      await shops.open({ contract: 'shop.binpb' });
      const caller = await shops.caller();
      expect(await firstCall(caller)).toBeLessThan(soonMs);
      expect(caller.known(put)).toBe(byReflection);
    }, 60_000);

    it.each([
      ['the app has no reflection', {}],
      ['the settings say none (control)', { contract: 'none', reflection: 'v1' }],
    ] as const)(
      'is nothing where %s, and calls go well',
      async (_, words) => {
        const { shops } = await start();
        await shops.open(words);
        const caller = await shops.caller();
        for (let calls = 0; calls < 50; calls++) {
          expect(await caller.call(get)).toBe(0);
          await pause(20);
        }
        expect(caller.known(get)).toBe('');
        expect(sumOf(caller.sidecar, 'outrigger_contracts_total')).toBe(0);
        expect(await caller.call('/outrigger.v1.Contract/Get')).toBe(5);
      },
      60_000,
    );

    it('is only what all versions say that run beside each other, during a rolling change', async () => {
      const { shops } = await start();
      const old = await shops.open({ reflection: 'v1' });
      const caller = await shops.caller();
      await firstCall(caller);
      expect(caller.known(put)).toBe(byReflection); // control: one version alone
      // The new version must not execute Put twice, and has a method more.
      const proto = (text: string): string =>
        text
          .replace('option idempotency_level = IDEMPOTENT;', '')
          .replace('rpc Order', 'rpc Move(Item) returns (Item); rpc Order');
      await shops.open({ reflection: 'v1', proto });
      await until(() => caller.sidecar.endpoints().length === 2);
      const careful = await until(() => !caller.known(put).includes('idempotent'));
      console.log(`careful ${careful.toFixed(0)} ms after the new version could be called`);
      expect(careful).toBeLessThan(soonMs);
      const both = /^unary idempotent by contract of inventory [0-9a-f]{8}… and [0-9a-f]{8}…$/;
      expect(caller.known(get)).toMatch(both);
      expect(caller.known('/shop.Inventory/Move')).toMatch(/^unary by .* and /);
      await old.close();
      await until(() => !caller.known(get).includes(' and '));
      expect(caller.known(put)).toMatch(/^unary by contract of inventory [0-9a-f]{8}…$/);
      expect(sumOf(caller.sidecar, 'outrigger_contracts_total', 'outcome="fetched"')).toBe(2);
    }, 60_000);

    it('is that of a newer app at the same sidecar, which nobody sees leave', async () => {
      const { shops } = await start();
      const shop = await shops.open({ reflection: 'v1' });
      const caller = await shops.caller();
      await firstCall(caller);
      let fewest = 1;
      await shop.replace({
        reflection: 'v1',
        proto: (text) => text.replace('option idempotency_level = IDEMPOTENT;', ''),
      });
      const took = await until(() => {
        void caller.call(get);
        fewest = Math.min(fewest, caller.sidecar.endpoints().length);
        return /^unary by/.test(caller.known(put));
      });
      console.log(`a newer app is known after ${took.toFixed(0)} ms`);
      expect(took).toBeLessThan(5 * soonMs);
      expect(fewest).toBe(1);
    }, 60_000);

    it('is known to whom the intentions do not let in, and its app never hears of the question', async () => {
      const { shops, api } = await start();
      await shops.open({ reflection: 'v1' });
      await api.post('/v1/connect/intentions', {
        SourceName: 'web',
        DestinationName: 'inventory',
        Action: 'deny',
      });
      const caller = await shops.caller();
      while ((await caller.call(get)) !== 7) await pause(20);
      await until(() => caller.known(get) === byReflection);
      expect(await caller.call('/outrigger.v1.Contract/Get')).toBe(0);
      expect(await caller.call('/outrigger.v1.Contract/Other')).toBe(7); // control: any other method is refused
    }, 60_000);

    it('is nothing where what an instance sends is not what it has announced, which is counted and named', async () => {
      const { shops, api } = await start();
      await shops.open({ reflection: 'v1' });
      // Somebody writes another hash into the registration.
      const services = (await api.get('/v1/agent/services')).json();
      const { Service, Meta, ...proxy } = Object.values<Record<string, unknown>>(services).find(
        ({ Kind }) => Kind === 'connect-proxy',
      )!;
      const forged = { ...(Meta as object), 'outrigger-contract': 'f'.repeat(32) };
      const { ID, Kind, Port, Address } = proxy;
      const changed = { ID, Name: Service, Kind, Port, Address, Proxy: proxy['Proxy'], Meta: forged };
      expect((await api.put('/v1/agent/service/register', changed)).status).toBe(200);
      const lines: string[] = [];
      const note = (_: object, text: string): void => void lines.push(text);
      const log = { debug: note, info: note, warn: note, error: note };
      const caller = await shops.caller({}, log);
      await until(() => {
        void caller.call(get);
        return sumOf(caller.sidecar, 'outrigger_contracts_total', 'outcome="forged"') > 0;
      });
      expect(await caller.call(get)).toBe(0);
      expect(caller.known(get)).toBe('');
      await until(() => caller.sidecar.snapshot().policies.faults.length > 0);
      expect(caller.sidecar.snapshot().policies.faults).toEqual([
        {
          origin: 'contract of inventory ffffffff…',
          problem: expect.stringMatching(
            /^127\.0\.0\.1:\d+: what was sent has the hash e6f3cb3c[0-9a-f]{24}, not f{32}$/,
          ),
        },
      ]);
      expect(lines.filter((line) => line === 'a contract is not used')).toHaveLength(1);
    }, 60_000);
  });
