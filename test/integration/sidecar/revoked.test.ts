import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import type { Sidecar } from '../../../sidecar/index.ts';
import type { Sabotage } from '../../../sidecar/sabotage.ts';
import { type AgentTable, atAgent, timeUntil } from '../../support/at-agent.ts';
import { type EchoApp, startEcho } from '../../support/echo.ts';
import type { Answers, EchoClient } from '../../support/echo-client.ts';
import { eventually } from '../../support/eventually.ts';
import { closedAfterEach } from '../../support/kept.ts';
import { consulVersion, startRealConsul } from '../../support/real-consul.ts';
import { sumOf } from '../../support/sidecars.ts';
import { echoes } from '../../support/steady-load.ts';

const version = consulVersion();
if (version === null) console.log('consul is not on PATH: running streams at a real Consul are skipped');

const keep = closedAfterEach();

interface Pair {
  readonly mesh: AgentTable;
  readonly app: EchoApp;
  readonly callee: Sidecar;
  readonly web: EchoClient;
  readonly orders: EchoClient;
}

/** `web` and `orders` call `echo`, each once by now. */
const pair = async (
  url: string,
  words: Record<string, unknown> = {},
  ...sabotage: Sabotage[]
): Promise<Pair> => {
  const app = keep(await startEcho());
  const mesh = keep(atAgent(url));
  const callee = await mesh.join({ name: 'echo', port: app.port }, words, undefined, sabotage);
  const [web, orders] = [
    mesh.client(await mesh.join({ name: 'web' })),
    mesh.client(await mesh.join({ name: 'orders' })),
  ];
  for (const client of [web, orders])
    await timeUntil(async () => (await client.call('Unary', 'm')).code === grpc.status.OK, 'the first call');
  return { mesh, app, callee, web, orders };
};

/** A stream both ways that has been answered once. */
const talking = async (client: EchoClient): Promise<Answers> => {
  const stream = client.bidi();
  expect(await echoes(stream, 'hello')).toBe(true);
  return stream;
};

const deny = { SourceName: 'web', DestinationName: 'echo', Action: 'deny' };
const why =
  "outrigger echo: 'web' may not call 'echo': the intention 'web' to 'echo' denies; the call was in progress when that changed";

describe.each([
  ['the development agent', true],
  [`a real Consul (${version ?? 'not at hand'})`, version !== null],
])('an intention that goes, at %s', (name, isThere) => {
  const url = async (): Promise<string> =>
    name.startsWith('the') ? keep(await startAgent()).url : keep(await startRealConsul()).url;

  it.skipIf(!isThere)('ends the streams that run, and no others', async () => {
    const { mesh, app, callee, web, orders } = await pair(await url());
    const streams = [await talking(web), await talking(web), web.bidi()];
    const other = await talking(orders);
    // Of two unary calls one has no answer ever, the other when a call of somebody else is given up.
    const held = web.begin('Slow', 'web');
    const given = orders.begin('Slow', 'orders');
    const asking = web.begin('Cancelled', 'orders');
    const unary = () => app.seen.filter(({ path }) => /Slow|Cancelled/.test(path)).length === 3;
    await eventually(unary, 'three unary calls at the app');
    const connections = sumOf(callee, 'outrigger_connections_total', 'listener="peers"');

    await mesh.ask('POST', '/v1/connect/intentions', deny);
    const begun = performance.now();
    const ends = await Promise.all(streams.map(({ ended }) => ended));
    const tookMs = performance.now() - begun;
    expect(tookMs).toBeLessThan(1000);
    for (const { code, message, trailers } of ends) {
      expect([code, message]).toEqual([grpc.status.PERMISSION_DENIED, why]);
      // The app has seen it: nobody may try it elsewhere.
      expect(trailers.get('x-outrigger-reached')).toEqual([]);
    }
    expect(sumOf(callee, 'outrigger_denied_total', 'caller="web"')).toBe(3);
    expect(callee.authorization()!.refused).toMatchObject([{ caller: 'web', calls: 3 }]);

    // What may be unary has time to finish, and no more than that.
    expect(app.cancelled.size).toBe(0);
    given.call.cancel();
    expect(await asking.ended).toMatchObject({ code: grpc.status.OK, answer: Buffer.from('yes') });
    expect((await held.ended).message).toBe(why);
    expect(performance.now() - begun).toBeGreaterThan(4900);
    await eventually(() => app.cancelled.has('web'), 'the end at the app');
    expect(sumOf(callee, 'outrigger_denied_total', 'caller="web"')).toBe(4);

    expect(await echoes(other, 'still here')).toBe(true);
    other.call.end();
    expect((await other.ended).code).toBe(grpc.status.OK);
    expect(sumOf(callee, 'outrigger_connections_total', 'listener="peers"')).toBe(connections);
    expect(sumOf(callee, 'outrigger_calls_in_flight')).toBe(0);
    console.log(`${name}: streams ended ${tookMs.toFixed(0)} ms after the change`);
  });

  it.skipIf(!isThere)('ends no stream where it is not looked again (control)', async () => {
    const { mesh, web } = await pair(await url(), {}, 'review');
    const stream = await talking(web);
    await mesh.ask('POST', '/v1/connect/intentions', deny);
    const denied = async () => (await web.call('Unary', 'm')).code === grpc.status.PERMISSION_DENIED;
    await timeUntil(denied, 'the refusal of another call');
    expect(await echoes(stream, 'still here')).toBe(true);
    stream.call.cancel();
  });

  it.skipIf(!isThere)('ends no stream where intentions are only watched', async () => {
    const { mesh, callee, web } = await pair(await url(), { intentions: 'audit' });
    const stream = await talking(web);
    await mesh.ask('POST', '/v1/connect/intentions', deny);
    const noted = async () => sumOf(callee, 'outrigger_would_deny_total', 'caller="web"') === 1;
    expect(await timeUntil(noted, 'the note')).toBeLessThan(1000);
    expect(await echoes(stream, 'still here')).toBe(true);
    expect(sumOf(callee, 'outrigger_denied_total')).toBe(0);
    stream.call.cancel();
  });
});

describe('a change of what single calls may do', () => {
  it('ends those that it is about', async () => {
    const { mesh, web } = await pair(keep(await startAgent()).url);
    const both = await talking(web);
    const watch = web.repeat(1_000_000, 1000);
    watch.call.pause();
    await watch.headers;
    await mesh.ask('PUT', '/v1/config', { Kind: 'service-defaults', Name: 'echo', Protocol: 'grpc' });
    await mesh.ask('PUT', '/v1/config', {
      Kind: 'service-intentions',
      Name: 'echo',
      Sources: [
        { Name: 'web', Permissions: [{ Action: 'deny', HTTP: { PathExact: '/interop.Echo/Repeat' } }] },
      ],
    });
    watch.call.resume();
    expect((await watch.ended).message).toContain("permission 1 of the intention 'web' to 'echo' denies;");
    expect(await echoes(both, 'still here')).toBe(true);
    both.call.cancel();
  });
});
