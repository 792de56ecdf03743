import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { plainSnapshot } from '../../../sidecar/control/pages.ts';
import { type Api, apiOf } from '../../support/consul-api.ts';
import { closedAfterEach } from '../../support/kept.ts';
import { consulVersion, startRealConsul } from '../../support/real-consul.ts';
import { type Mesh, startMesh } from './mesh.ts';

const version = consulVersion();
if (version === null) console.log('consul is not on PATH: policies from a real Consul are skipped');
const agents: [string, () => Promise<{ readonly url: string; close(): Promise<void> }>, boolean][] = [
  ['the development agent', () => startAgent(), false],
  [`a real Consul ${version ?? '(none on PATH)'}`, startRealConsul, version === null],
];

const keep = closedAfterEach();

const key = '/v1/kv/outrigger/policy/echo';
/** A change must hold so soon, milliseconds. */
const soonMs = 1000;

for (const [name, startOne, skip] of agents)
  describe.skipIf(skip)(`policies from ${name}`, () => {
    const start = async (): Promise<{ api: Api; mesh: Mesh }> => {
      const agent = keep(await startOne());
      return { api: apiOf(agent.url), mesh: keep(await startMesh(agent.url)) };
    };

    /** Calls until `holds`; answers how long that took, in milliseconds. No call may fail on the way. */
    const until = async (holds: () => Promise<boolean>): Promise<number> => {
      const begun = performance.now();
      while (!(await holds())) {
        if (performance.now() - begun > 10 * soonMs) throw new Error('never');
        await pause(5);
      }
      return performance.now() - begun;
    };

    /** What the app is told of the time that a call has left: `Infinity`, or milliseconds. */
    const timeLeft = async ({ client }: Mesh): Promise<string> => {
      const { code, answer } = await client.call('Timeout');
      expect(code).toBe(0);
      return String(answer);
    };

    it('give the next calls a deadline within a second, and take it away again', async () => {
      const { api, mesh } = await start();
      expect(await timeLeft(mesh)).toBe('Infinity'); // control: nobody has said anything yet
      await api.put(key, 'timeout: 900ms\nmethods: { /interop.Echo/Slow: { timeout: 100ms } }');
      expect(await until(async () => Number(await timeLeft(mesh)) <= 900)).toBeLessThan(soonMs);
      // Of this method the policy says less; whoever of us and the app is faster tells the caller.
      const begun = performance.now();
      expect((await mesh.client.call('Slow', 'k', { deadlineMs: 5000 })).code).toBe(4);
      expect(performance.now() - begun).toBeLessThan(800);
      await api.delete(key);
      // An empty tree is asked for once more, half a second later.
      expect(await until(async () => (await timeLeft(mesh)) === 'Infinity')).toBeLessThan(2 * soonMs);
    }, 60_000);

    it('change how endpoints are chosen within a second', async () => {
      const { api, mesh } = await start();
      /** Which app each of 16 calls went to. */
      const sequence = async (): Promise<string> => {
        let went = '';
        for (let at = 0; at < 16; at++) {
          const before = mesh.apps.map(({ seen }) => seen.length);
          expect((await mesh.client.call('Unary', 'm')).code).toBe(0);
          went += mesh.apps.findIndex(({ seen }, app) => seen.length > before[app]!);
        }
        return went;
      };
      const inTurn = /^(01){8}$|^(10){8}$/;
      expect(await sequence()).not.toMatch(inTurn); // control: by chance once in 32,768
      await api.put('/v1/kv/outrigger/policy/*', '{"balance": "round-robin"}');
      const holds = async () => mesh.caller.snapshot().policies.any.all.balance === 'round-robin';
      expect(await until(holds)).toBeLessThan(soonMs);
      expect(await sequence()).toMatch(inTurn);
    }, 60_000);

    it('are kept when a document is bad, and shown with their origins', async () => {
      const { api, mesh } = await start();
      await api.put(key, 'timeout: 900ms');
      expect(await until(async () => (await timeLeft(mesh)) !== 'Infinity')).toBeLessThan(soonMs);
      await api.put(key, 'timeout: soon');
      const faults = () => mesh.caller.snapshot().policies.faults;
      expect(await until(async () => faults().length > 0)).toBeLessThan(soonMs);
      expect(Number(await timeLeft(mesh))).toBeLessThanOrEqual(900);
      expect(plainSnapshot(mesh.caller.snapshot())).toMatchObject({
        policies: {
          '*': { timeout: { value: null, origin: 'built-in' } },
          echo: {
            timeout: { value: 900, origin: 'kv outrigger/policy/echo' },
            'retry.attempts': { value: 3, origin: 'built-in' },
          },
        },
        policyFaults: [
          {
            origin: 'kv outrigger/policy/echo',
            problem:
              "outrigger/policy/echo:1:10: timeout must be a time with its unit (ms, s, m, h) from 1ms to 24h, such as 250ms, or none, not 'soon'",
          },
        ],
      });
    }, 60_000);

    it("yield in the order of their places: Consul's entries, then KV", async () => {
      const { api, mesh } = await start();
      const connect = () => {
        const { services, any } = mesh.caller.snapshot().policies;
        const { all } = services.get('echo') ?? any;
        return `${all.connect} ${all.origins['connect'] ?? 'built-in'}`;
      };
      expect(connect()).toBe('2000 built-in');
      const entry = { Kind: 'service-resolver', Name: 'echo', ConnectTimeout: '1500ms' };
      expect((await api.put('/v1/config', entry)).status).toBe(200);
      const ofEntry = '1500 consul entry service-resolver/echo';
      expect(await until(async () => connect() === ofEntry)).toBeLessThan(soonMs);
      await api.put(key, 'connect: 700ms');
      expect(await until(async () => connect() === '700 kv outrigger/policy/echo')).toBeLessThan(soonMs);
      await api.delete(key);
      expect(await until(async () => connect() === ofEntry)).toBeLessThan(2 * soonMs);
      expect((await mesh.client.call('Unary', 'm')).code).toBe(0);
    }, 60_000);
  });
