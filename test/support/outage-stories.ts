import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Sidecar } from '../../sidecar/index.ts';
import { milliseconds } from '../chaos/row.ts';
import { anotherAuthority } from './authority.ts';
import type { OutageMesh } from './outage-mesh.ts';
import { type Ground, metric, type Told, within } from './outages.ts';

/** The fewest instances that the caller knew of while something went on. */
const fewest = (mesh: OutageMesh): { stop(): number } => {
  let least = mesh.seen();
  const timer = setInterval(() => {
    least = Math.min(least, mesh.seen());
  }, 5);
  return {
    stop: () => {
      clearInterval(timer);
      return least;
    },
  };
};

const proxies = async (url: string): Promise<string[]> => {
  const answer = await fetch(`${url}/v1/agent/services`, { signal: AbortSignal.timeout(1000) });
  return Object.keys((await answer.json()) as object).filter((id) => id.endsWith('-sidecar-proxy'));
};

const maintain = (url: string, id: string, on: boolean): Promise<Response> =>
  fetch(`${url}/v1/agent/service/maintenance/${id}?enable=${on}`, { method: 'PUT' });

/** Kills the leading server; a change made in that moment must reach the caller once there is another. */
export const leaderKilled = async ({ cluster, mesh }: Ground): Promise<Told> => {
  const leader = await cluster.leader();
  const [proxy] = await proxies(cluster.client.url);
  const all = mesh.seen();
  await leader.kill();
  await maintain(cluster.client.url, proxy!, true);
  const heardMs = await within(20_000, () => mesh.seen() === all - 1);
  await maintain(cluster.client.url, proxy!, false);
  const backMs = await within(20_000, () => mesh.seen() === all);
  await leader.restart();
  await cluster.settled();
  return {
    figures: `a change made at that moment was heard after ${milliseconds(heardMs)}`,
    kept: heardMs >= 0 && heardMs <= 5000 && backMs >= 0,
  };
};

/** Freezes two of three servers for so long. */
export const quorumLost =
  (forMs: number) =>
  async ({ cluster, mesh }: Ground): Promise<Told> => {
    const leader = await cluster.leader();
    const [other] = cluster.servers.filter((server) => server !== leader);
    const least = fewest(mesh);
    leader.freeze();
    other!.freeze();
    const staleMs = await within(
      forMs,
      () => metric(mesh.caller.metrics().text, 'outrigger_consul_stale') > 0,
    );
    await pause(Math.max(0, forMs - Math.max(0, staleMs)));
    leader.thaw();
    other!.thaw();
    await cluster.settled();
    const freshMs = await within(
      40_000,
      () => metric(mesh.caller.metrics().text, 'outrigger_consul_stale') === 0,
    );
    const kept = least.stop();
    return {
      figures: `marked stale after ${milliseconds(staleMs)}, fresh again ${milliseconds(freshMs)} after, at least ${kept} instances`,
      kept: kept === mesh.callees.length && freshMs >= 0 && (forMs < 40_000 || staleMs >= 0),
    };
  };

/**
 * Kills all servers at once and starts them again with nothing: no service, and another CA, of which agents hear after
 * minutes only, because their own questions hang at an index of before.
 */
export const wiped =
  (forMs: number) =>
  async ({ cluster, mesh }: Ground): Promise<Told> => {
    const passing = async (): Promise<number> => {
      const answer = await fetch(`${cluster.client.url}/v1/health/connect/echo?passing`);
      return answer.ok ? ((await answer.json()) as unknown[]).length : 0;
    };
    const least = fewest(mesh);
    await Promise.all(cluster.servers.map((server) => server.kill()));
    await Promise.all(cluster.servers.map((server) => server.restart('empty')));
    await cluster.settled();
    const backMs = await within(90_000, async () => (await passing().catch(() => 0)) === mesh.callees.length);
    await pause(forMs);
    const kept = least.stop();
    return {
      figures: `registered again ${milliseconds(backMs)} after, at least ${kept} instances`,
      kept: backMs >= 0 && kept === mesh.callees.length,
    };
  };

/** A leaf is made anew within thirty seconds of a new root, at a time of its agent's choice. */
const followedMs = 60_000;

const trustDomain = async ({ ports }: Sidecar): Promise<string> => {
  const answer = await fetch(`http://${ports.admin}/snapshot`);
  const { identity } = (await answer.json()) as { identity: { spiffe: string } };
  return new URL(identity.spiffe).host;
};

/**
 * The same, and the new servers change their CA once more: of that agents hear at once. Leaves follow one by one; until
 * the last has, old and new must believe each other. Then one comes who never knew the old.
 */
export const authorityLost = async (ground: Ground): Promise<Told> => {
  const { cluster, mesh } = ground;
  const sidecars = [mesh.caller, ...mesh.callees];
  const domains = async (): Promise<Set<string>> => new Set(await Promise.all(sidecars.map(trustDomain)));
  const [before] = await domains();
  const { figures, kept } = await wiped(0)(ground);
  const changed = await fetch(`${cluster.client.url}/v1/connect/ca/configuration`, {
    method: 'PUT',
    body: JSON.stringify(anotherAuthority()),
  });
  if (!changed.ok) throw new Error(`no other CA: ${changed.status} ${await changed.text()}`);
  const followMs = await within(followedMs, async () => !(await domains()).has(before!));
  const { app } = await mesh.add();
  const calledMs = await within(10_000, () => app.seen.length > 0);
  return {
    figures: `${figures}, every leaf of the new CA ${milliseconds(followMs)} after, a newcomer called after ${milliseconds(calledMs)}`,
    kept: kept && followMs >= 0 && calledMs >= 0,
  };
};

/** Kills the agent that all sidecars share, and starts it again, with what it kept or with nothing. */
export const agentKilled =
  (how?: 'empty') =>
  async ({ cluster, mesh }: Ground): Promise<Told> => {
    const { client } = cluster;
    const least = fewest(mesh);
    await client.kill();
    await pause(1500);
    const restarted = client.restart(how);
    const answering = await within(20_000, () =>
      proxies(client.url).then(
        () => true,
        () => false,
      ),
    );
    const knownMs = await within(
      20_000,
      async () => (await proxies(client.url).catch(() => [])).length === mesh.callees.length,
    );
    await restarted;
    const count = async (): Promise<number> => {
      const answer = await fetch(`${client.url}/v1/health/connect/echo?passing`);
      return answer.ok ? ((await answer.json()) as unknown[]).length : 0;
    };
    const passingMs = await within(
      20_000,
      async () => (await count().catch(() => 0)) === mesh.callees.length,
    );
    // What is held while Consul cannot be trusted is let go after 10 s: a flap would show then.
    await pause(1000);
    const kept = least.stop();
    return {
      figures: `known again ${milliseconds(knownMs)} after, passing ${milliseconds(passingMs)} later, at least ${kept} instances`,
      kept:
        answering >= 0 && knownMs >= 0 && knownMs <= 5000 && passingMs >= 0 && kept === mesh.callees.length,
    };
  };

/** Kills every agent for so long; meanwhile one instance dies. */
export const consulGone =
  (forMs: number) =>
  async ({ cluster, mesh }: Ground): Promise<Told> => {
    await Promise.all([...cluster.servers, cluster.client].map((agent) => agent.kill()));
    await pause(forMs / 2);
    const least = fewest(mesh);
    // Its calls in flight end first, so that those that fail would be new ones.
    await mesh.callees[0]!.drain();
    mesh.apps[0]!.close();
    await pause(forMs / 2);
    const kept = least.stop();
    await Promise.all([...cluster.servers, cluster.client].map((agent) => agent.restart()));
    await cluster.settled();
    const others = mesh.callees.length - 1;
    const backMs = await within(40_000, () => mesh.seen() === others);
    return {
      figures: `${milliseconds(forMs)} without, one of ${mesh.callees.length} instances died; the list followed ${milliseconds(backMs)} after`,
      kept: kept === mesh.callees.length && backMs >= 0,
    };
  };

/** A check of one instance that is passing and critical by turns, a second each. */
export const flapping =
  (forMs: number) =>
  async ({ cluster, mesh }: Ground): Promise<Told> => {
    const { url } = cluster.client;
    const [proxy] = await proxies(url);
    const body = JSON.stringify({
      ID: 'flapping',
      Name: 'flapping',
      TTL: '1h',
      ServiceID: proxy,
      Status: 'passing',
    });
    await fetch(`${url}/v1/agent/check/register`, { method: 'PUT', body });
    let flaps = 0;
    let before = mesh.seen();
    const look = setInterval(() => {
      const now = mesh.seen();
      if (now !== before) flaps++;
      before = now;
    }, 5);
    const links = connectionsOf(mesh);
    for (let gone = 0; gone < forMs; gone += 2000) {
      await fetch(`${url}/v1/agent/check/fail/flapping`, { method: 'PUT' });
      await pause(1000);
      await fetch(`${url}/v1/agent/check/pass/flapping`, { method: 'PUT' });
      await pause(1000);
    }
    clearInterval(look);
    const made = links();
    await fetch(`${url}/v1/agent/check/deregister/flapping`, { method: 'PUT' });
    const most = Math.ceil(forMs / 10_000);
    return {
      figures: `${made} new connections to that peer in ${milliseconds(forMs)}`,
      kept: made <= most,
      control: {
        text: `the list changed ${flaps} times: a connection for every second of them`,
        harm: flaps > 2 * most,
      },
    };
  };

/** Counts connections that the callees accept from now on, of the one that gets the most. */
const connectionsOf = (mesh: OutageMesh): (() => number) => {
  const count = (): number[] =>
    mesh.callees.map((callee) => metric(callee.metrics().text, 'outrigger_connections_total'));
  const begin = count();
  return () => Math.max(...count().map((now, at) => now - begin[at]!));
};

/** The leader frozen for so long, and then an agent whose every word comes late, and breaks off. */
export const limping =
  (forMs: number, lateMs: number) =>
  async ({ cluster, mesh, line }: Ground): Promise<Told> => {
    const lag = monitorEventLoopDelay({ resolution: 5 });
    const leader = await cluster.leader();
    const least = fewest(mesh);
    lag.enable();
    leader.freeze();
    await pause(forMs);
    leader.thaw();
    await cluster.settled();
    let most = 0;
    const look = setInterval(() => {
      most = Math.max(most, line.open);
    }, 20);
    line.delayMs = lateMs;
    line.cut();
    await pause(forMs);
    line.cutAfter = 300;
    line.cut();
    await pause(forMs);
    line.delayMs = 0;
    line.cutAfter = Number.POSITIVE_INFINITY;
    line.cut();
    clearInterval(look);
    const kept = least.stop();
    lag.disable();
    const lagMs = lag.percentile(99) / 1e6;
    return {
      figures: `p99 of loop delay ${milliseconds(lagMs)}, at most ${most} connections to the agent, at least ${kept} instances`,
      kept: kept === mesh.callees.length && lagMs < 50 && most <= 20,
    };
  };
