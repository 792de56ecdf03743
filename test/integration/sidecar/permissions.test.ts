import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { type Log, silent } from '../../../sidecar/core/log.ts';
import type { Sidecar } from '../../../sidecar/index.ts';
import { type AgentTable, atAgent, timeUntil } from '../../support/at-agent.ts';
import { type EchoApp, startEcho } from '../../support/echo.ts';
import type { EchoClient } from '../../support/echo-client.ts';
import { answerOk, startPlainApp } from '../../support/echo-plain.ts';
import { closedAfterEach } from '../../support/kept.ts';
import { codesByPath, oddPaths, otherCase } from '../../support/odd-paths.ts';
import { consulVersion, startRealConsul } from '../../support/real-consul.ts';
import { sumOf } from '../../support/sidecars.ts';

/*
 * Permissions per request came with Consul 1.9. The real Consul that is tried against is older, so that these stories
 * run on the development agent, in the shapes of 1.9; those that need no permissions run on both.
 */

const version = consulVersion();
if (version === null) console.log('consul is not on PATH: intentions of a real Consul are skipped');

const keep = closedAfterEach();

interface Pair {
  readonly mesh: AgentTable;
  readonly app: EchoApp;
  readonly callee: Sidecar;
  readonly client: EchoClient;
}

/** `web` calls `echo`, once by now; `words` are laid over the callee's settings. */
const pair = async (url: string, words: Record<string, unknown> = {}, log?: Log): Promise<Pair> => {
  const app = keep(await startEcho());
  const mesh = keep(atAgent(url));
  const callee = await mesh.join({ name: 'echo', port: app.port }, words, log);
  const client = mesh.client(await mesh.join({ name: 'web' }));
  await timeUntil(async () => (await client.call('Unary', 'm')).code === grpc.status.OK, 'the first call');
  return { mesh, app, callee, client };
};

const onDevelopment = async (words: Record<string, unknown> = {}, log?: Log): Promise<Pair> => {
  const agent = keep(await startAgent());
  const both = await pair(agent.url, words, log);
  await both.mesh.ask('PUT', '/v1/config', { Kind: 'service-defaults', Name: 'echo', Protocol: 'grpc' });
  return both;
};

const entry = (...Sources: object[]) => ({ Kind: 'service-intentions', Name: 'echo', Sources });
const permissions = (...Permissions: object[]) => entry({ Name: 'web', Permissions });
const unary = '/interop.Echo/Unary';

describe('permissions', () => {
  it('refuse by path within a second of their change, on the connection that is open, and nothing else', async () => {
    const { mesh, app, callee, client } = await onDevelopment();
    const before = sumOf(callee, 'outrigger_connections_total', 'listener="peers"');
    await mesh.ask('PUT', '/v1/config', permissions({ Action: 'deny', HTTP: { PathExact: unary } }));
    const denied = async () => (await client.call('Unary', 'm')).code === grpc.status.PERMISSION_DENIED;
    const tookMs = await timeUntil(denied, 'the refusal');
    expect(tookMs).toBeLessThan(1000);
    const { message } = await client.call('Unary', 'm');
    expect(message).toBe(
      "outrigger echo: 'web' may not make this call to 'echo': permission 1 of the intention 'web' to 'echo' denies",
    );
    const reached = app.seen.length;
    await client.call('Unary', 'm');
    expect(app.seen.length).toBe(reached);
    expect((await client.call('Timeout')).code).toBe(grpc.status.OK);
    expect(sumOf(callee, 'outrigger_connections_total', 'listener="peers"')).toBe(before);
    expect(callee.authorization()).toMatchObject({
      mode: 'enforce',
      unclear: [],
      refused: [{ caller: 'web', why: message.replace('outrigger echo: ', '') }],
    });
    await mesh.ask('DELETE', '/v1/config/service-intentions/echo');
    expect(await timeUntil(async () => !(await denied()), 'the way back')).toBeLessThan(1000);
  });

  it('read the headers that the app reads, in the way that refuses', async () => {
    const { mesh, client } = await onDevelopment();
    const gold = { Name: 'X-Tier', Exact: 'gold' };
    await mesh.ask(
      'PUT',
      '/v1/config',
      permissions(
        { Action: 'allow', HTTP: { PathExact: unary, Header: [gold] } },
        { Action: 'deny', HTTP: { PathPrefix: '/' } },
      ),
    );
    const call = async (...metadata: [string, string][]) =>
      (await client.call('Unary', 'm', { metadata })).code;
    await timeUntil(async () => (await call()) === grpc.status.PERMISSION_DENIED, 'the refusal');
    expect(await call(['x-tier', 'gold'])).toBe(grpc.status.OK);
    expect(await call(['X-TIER', 'gold'])).toBe(grpc.status.OK);
    for (const metadata of [
      [['x-tier', 'Gold']],
      [['x-tier', 'tin']],
      [
        ['x-tier', 'gold'],
        ['x-tier', 'tin'],
      ],
      [['x-tier', 'gold,tin']],
      [['x_tier', 'gold']],
    ] as [string, string][][])
      expect([metadata, await call(...metadata)]).toEqual([metadata, grpc.status.PERMISSION_DENIED]);
  });

  it('that cannot be kept refuse what comes to them, and are named', async () => {
    const told: string[] = [];
    const { mesh, callee, client } = await onDevelopment(
      {},
      { ...silent, warn: (_, event) => void told.push(event) },
    );
    await mesh.ask(
      'PUT',
      '/v1/config',
      permissions(
        { Action: 'allow', HTTP: { PathExact: '/interop.Echo/Timeout' } },
        { Action: 'allow', HTTP: { PathRegex: '/interop\\.Echo/(?=U).*' } },
        { Action: 'allow', HTTP: { PathPrefix: '/' } },
      ),
    );
    const denied = async () => (await client.call('Unary', 'm')).code === grpc.status.PERMISSION_DENIED;
    await timeUntil(denied, 'the refusal');
    expect((await client.call('Timeout')).code).toBe(grpc.status.OK);
    const why =
      "permission 2 of the intention 'web' to 'echo': the pattern '/interop\\.Echo/(?=U).*': '(?=' is left out";
    expect(callee.authorization()!.unclear[0]).toContain(why);
    expect(told.filter((event) => event.startsWith(why))).toHaveLength(1);
  });

  it('let pass what they would refuse where they are only watched', async () => {
    const { mesh, callee, client } = await onDevelopment({ intentions: 'audit' });
    await mesh.ask('PUT', '/v1/config', entry({ Name: '*', Action: 'deny' }));
    const noted = async () => {
      expect((await client.call('Unary', 'm')).code).toBe(grpc.status.OK);
      return sumOf(callee, 'outrigger_would_deny_total', 'caller="web"') > 0;
    };
    expect(await timeUntil(noted, 'the note')).toBeLessThan(1000);
    expect(callee.authorization()).toMatchObject({ mode: 'audit', refused: [{ caller: 'web' }] });
    expect(sumOf(callee, 'outrigger_denied_total')).toBe(0);
  });
});

describe('a path that is written otherwise', () => {
  it('reaches no app past a permission about the exact one', async () => {
    const agent = keep(await startAgent());
    const app = keep(await startPlainApp((stream) => answerOk(stream)));
    const mesh = keep(atAgent(agent.url));
    await mesh.ask('PUT', '/v1/config', { Kind: 'service-defaults', Name: 'echo', Protocol: 'grpc' });
    // While identity is none nobody has a name: the rule is about everybody.
    const deny = { Action: 'deny', HTTP: { PathExact: unary } };
    await mesh.ask('PUT', '/v1/config', entry({ Name: '*', Permissions: [deny] }));
    const callee = await mesh.join({ name: 'echo', port: app.port, check: 'tcp' }, { identity: 'none' });
    const port = Number(callee.ports.peers!.split(':').at(-1));
    const before = app.seen.length;
    expect(await codesByPath(port, [unary])).toEqual(['7']);
    // UNIMPLEMENTED, or no answer but a reset where HTTP/2 itself does not let the field pass.
    const codes = await codesByPath(port, oddPaths);
    expect(codes.filter((code) => code === '12').length).toBeGreaterThan(10);
    expect(codes.filter((code) => code !== '12' && code !== '')).toEqual([]);
    expect(app.seen.length).toBe(before);
    // Another case is another method, to the rule, the router and the app alike.
    expect(await codesByPath(port, otherCase)).toEqual(['0', '0']);
    expect(app.seen.slice(before).map((fields) => fields[':path'])).toEqual(otherCase);
    // Control: without a sidecar in between, each of them comes through.
    expect(new Set(await codesByPath(app.port, oddPaths.slice(0, 10)))).toEqual(new Set(['0']));
  });
});

describe('an intention that goes, where the default is deny', () => {
  it('takes the right with it within a second', async () => {
    const agent = keep(await startAgent({ defaultAllow: false }));
    const rule = { SourceName: 'web', DestinationName: 'echo', Action: 'allow' };
    const { ID } = (await atAgent(agent.url).ask('POST', '/v1/connect/intentions', rule)) as { ID: string };
    const { mesh, client } = await pair(agent.url);
    await mesh.ask('DELETE', `/v1/connect/intentions/${ID}`);
    const denied = async () => (await client.call('Unary', 'm')).code === grpc.status.PERMISSION_DENIED;
    expect(await timeUntil(denied, 'the refusal')).toBeLessThan(1000);
    expect((await client.call('Unary', 'm')).message).toContain(
      'no intention allows it, and the default is deny (Default behavior configured by ACLs)',
    );
  });
});

describe.each([
  ['the development agent', true],
  [`a real Consul (${version ?? 'not at hand'})`, version !== null],
])('an intention of %s', (name, isThere) => {
  it.skipIf(!isThere)(
    'refuses within a second of its change, on the connection that is open, and lets in again',
    async () => {
      const url = name.startsWith('the') ? keep(await startAgent()).url : keep(await startRealConsul()).url;
      const { mesh, app, callee, client } = await pair(url);
      const connections = sumOf(callee, 'outrigger_connections_total', 'listener="peers"');
      const rule = { SourceName: 'web', DestinationName: 'echo', Action: 'deny' };
      const code = async () => (await client.call('Unary', 'm')).code;
      const { ID } = (await mesh.ask('POST', '/v1/connect/intentions', rule)) as { ID: string };
      const refusedMs = await timeUntil(
        async () => (await code()) === grpc.status.PERMISSION_DENIED,
        'the refusal',
      );
      const reached = app.seen.length;
      expect(await code()).toBe(grpc.status.PERMISSION_DENIED);
      expect(app.seen.length).toBe(reached);
      await mesh.ask('PUT', `/v1/connect/intentions/${ID}`, { ...rule, Action: 'allow' });
      const backMs = await timeUntil(async () => (await code()) === grpc.status.OK, 'the way back');
      expect(Math.max(refusedMs, backMs)).toBeLessThan(1000);
      expect(sumOf(callee, 'outrigger_connections_total', 'listener="peers"')).toBe(connections);
      console.log(`${name}: refused after ${refusedMs.toFixed(0)} ms, let in after ${backMs.toFixed(0)} ms`);
    },
  );
});
