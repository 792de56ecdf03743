import { createServer, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { consulIdentity } from '../../../sidecar/identity/consul.ts';
import { assemble } from '../../../sidecar/sources/assemble.ts';
import { consulSource } from '../../../sidecar/sources/consul.ts';
import { eventually } from '../../support/eventually.ts';
import { makeKit, until } from '../discovery/live.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const sidecars = 50;
const names = ['inventory', 'payments', 'shipping'];
/** Roots, leaf, intentions, and two for each name. */
const watches = 3 + 2 * names.length;

/** A front of an agent that notes each question of each sidecar, and can be as if it were gone. */
const front = async (url: string) => {
  const asked: {
    readonly who: string;
    readonly what: string;
    readonly at: number;
  }[] = [];
  const state = { gone: false };
  const server = createServer((question, response) => {
    if (state.gone) return void response.destroy();
    const { method, headers, url: path = '' } = question;
    const who = String(headers['x-consul-token']);
    const what = path.split('?')[0]!;
    asked.push({ who, what, at: performance.now() });
    const passedOn = request(`${url}${path}`, { method, headers }, (given) => {
      response.writeHead(given.statusCode!, given.headers);
      given.pipe(response);
    });
    passedOn.on('error', () => response.destroy());
    response.on('close', () => passedOn.destroy());
    question.pipe(passedOn);
  }).listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  const leave = (): void => {
    state.gone = true;
    server.closeAllConnections();
  };
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, asked, state, leave };
};

/** The watches that asked more than twice, and how often. */
const greedy = (asked: readonly { who: string; what: string }[]): [string, number][] => {
  const counts = new Map<string, number>();
  for (const { who, what } of asked) counts.set(`${who} ${what}`, (counts.get(`${who} ${what}`) ?? 0) + 1);
  return [...counts].filter(([, count]) => count > 2);
};

describe('fifty sidecars that start at once', () => {
  it('ask twice for each watch in the first two seconds, and do not come back in one moment', async () => {
    const agent = await startAgent({ connectionsPerClient: 100_000 });
    ends.push(() => agent.close());
    const { url, asked, state, leave } = await front(agent.url);
    const ready = Array.from({ length: sidecars }, async (_, at) => {
      const kit = makeKit();
      const stop = new AbortController();
      const door = openConsul({ url, token: `sidecar-${at}` }, kit);
      const service = `app-${at}`;
      const source = consulSource({ door, service, kit, signal: stop.signal });
      const assembly = assemble({ sources: [source], kit });
      const identity = consulIdentity({ door, service, kit, signal: stop.signal });
      ends.push(() => {
        stop.abort();
        identity.close();
        assembly.close();
        door.close();
      });
      for (const name of names) assembly.discovery.want(name);
      await until(
        assembly.snapshot,
        'the names',
        ({ asked: known }) => names.every((name) => known.has(name)),
        30_000,
      );
      await until(identity.identity, 'an identity', (now) => now !== null, 30_000);
    });
    const begin = performance.now();
    await Promise.all(ready);
    await pause(Math.max(0, begin + 2000 - performance.now()));
    const start = new Map(asked.toReversed().map(({ who, at }) => [who, at]));
    const ofWatches = asked.filter(
      ({ who, what, at }) => !/authorize|catalog|kv/.test(what) && at - start.get(who)! <= 2000,
    );
    expect(new Set(ofWatches.map(({ who, what }) => `${who} ${what}`)).size).toBe(sidecars * watches);
    expect(greedy(ofWatches)).toEqual([]);

    // The agent restarts: who hung at it comes back over time, and asks twice again.
    leave();
    await pause(1000);
    asked.length = 0;
    state.gone = false;
    const back = performance.now();
    const lists = (): typeof asked => asked.filter(({ what }) => what.includes('/health/connect/'));
    await eventually(() => new Set(lists().map(({ who }) => who)).size === sidecars, 'all to be back');
    const again = lists();
    const returned = new Map(again.toReversed().map(({ who, at }) => [who, at]));
    expect(greedy(again.filter(({ who, at }) => at - returned.get(who)! <= 2000))).toEqual([]);
    const first = [...returned.values()].map((at) => at - back).sort((a, b) => a - b);
    expect(first.at(-1)! - first[0]!).toBeGreaterThan(200);
  }, 60_000);
});
