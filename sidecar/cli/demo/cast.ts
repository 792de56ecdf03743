import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { EndpointReport } from '../../control/view.ts';
import { type Agent, startAgentProcess } from './agent.ts';
import { type Ground, type Member, type MemberPlan, startMember } from './member.ts';

/** Everybody on stage. */
export interface Cast {
  readonly agent: Agent;
  readonly folder: string;
  /** By name, those on stage now; a member that was started again replaces its former self. */
  readonly members: ReadonlyMap<string, Member>;
  member(name: string): Member;
  /** Starts a member again that was killed. */
  restart(name: string): Promise<void>;
  /** Lets a member leave in order, and starts it anew. */
  replace(name: string): Promise<void>;
  /** Resolves when all are registered, well, and known to all; rejects after `patienceMs` with what is missing. */
  settled(patienceMs: number, signal: AbortSignal): Promise<void>;
  /** Empties logs that have grown long: a demo may run for days. Only between acts. */
  trim(): void;
  /** Ends all processes, by force after `graceMs` (default 1,500), and removes all files. Safe to call again. */
  close(graceMs?: number): Promise<void>;
}

const instance = (service: string, name: string, by: MemberPlan['by']): MemberPlan => ({
  name,
  service,
  serves: true,
  by,
  flags: {},
});

const plans: readonly MemberPlan[] = [
  { name: 'storefront', service: 'storefront', serves: false, by: 'run', flags: { express: 'on' } },
  instance('orders', 'orders', 'run'),
  instance('payments', 'payments', 'run'),
  instance('inventory', 'inventory-1', 'apart'),
  instance('inventory', 'inventory-2', 'apart'),
];

/** Who calls whom, by service. */
export const edges: readonly (readonly [caller: string, callee: string])[] = [
  ['storefront', 'orders'],
  ['storefront', 'payments'],
  ['orders', 'inventory'],
  ['orders', 'payments'],
];

/** Starts the agent, then everybody else at once. `progress` hears of each step. */
export const startCast = async (sabotage: string, progress: (step: string) => void): Promise<Cast> => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-demo-'));
  const members = new Map<string, Member>();
  const starts = new Map<string, number>();
  let agent: Agent | null = null;
  const close = async (graceMs = 1500): Promise<void> => {
    await Promise.all([...members.values()].map((member) => member.end(graceMs)));
    await agent?.child.end(graceMs);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const env = environment(sabotage);
    progress('the development agent, a Consul in one process');
    const started = await startAgentProcess(folder, env);
    agent = started;
    progress(`the agent answers at ${started.url}; now five apps, each with a sidecar`);
    const ground: Ground = { folder, agentUrl: started.url, env };
    const start = async (plan: MemberPlan): Promise<void> => {
      const generation = (starts.get(plan.name) ?? 0) + 1;
      starts.set(plan.name, generation);
      const member = await startMember(plan, ground, generation);
      members.set(plan.name, member);
      progress(`${plan.name}: app ${member.appPid}, sidecar ${member.sidecarPid}`);
    };
    const outcomes = await Promise.allSettled(plans.map(start));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    const cast: Cast = {
      agent: started,
      folder,
      members,
      member: (name) => members.get(name)!,
      restart: async (name) => {
        await members.get(name)!.end(0);
        await start(plans.find((plan) => plan.name === name)!);
      },
      replace: async (name) => {
        await members.get(name)!.leave();
        await start(plans.find((plan) => plan.name === name)!);
      },
      settled: (patienceMs, signal) => settled(cast, patienceMs, signal),
      trim: () => {
        for (const { diary, logs } of members.values()) for (const log of [diary, ...logs]) emptyLong(log);
      },
      close,
    };
    return cast;
  } catch (error) {
    await close();
    throw error;
  }
};

const longestLog = 16 * 1024 * 1024;

/** Their writers append, so that they go on at the beginning. */
const emptyLong = (path: string): void => {
  if (statSync(path).size > longestLog) truncateSync(path);
};

/** Our own environment without what would send the sidecars to another Consul. */
const environment = (sabotage: string): NodeJS.ProcessEnv => {
  const env = { ...process.env };
  for (const name of Object.keys(env)) if (/^(CONSUL_|OUTRIGGER_|NODE_OPTIONS$)/.test(name)) delete env[name];
  return sabotage === '' ? env : { ...env, OUTRIGGER_SABOTAGE: sabotage };
};

const settled = async (cast: Cast, patienceMs: number, signal: AbortSignal): Promise<void> => {
  const until = performance.now() + patienceMs;
  for (;;) {
    const missing = await whatIsMissing(cast).catch((error: unknown) => [String(error)]);
    if (missing.length === 0) return;
    if (performance.now() > until)
      throw new Error(`not settled after ${patienceMs} ms: ${missing.join('; ')}`);
    await pause(50, undefined, { signal });
  }
};

/** What keeps the mesh from being whole, in words. */
const whatIsMissing = async ({ agent, members }: Cast): Promise<string[]> => {
  const missing: string[] = [];
  const instances = new Map<string, number>();
  for (const { service, peers } of members.values())
    if (peers !== '') instances.set(service, (instances.get(service) ?? 0) + 1);
  for (const [service, wanted] of instances) {
    const passing = await agent.passing(service);
    if (passing < wanted) missing.push(`${passing} of ${wanted} instances of ${service} are well`);
  }
  for (const { name, service, admin } of members.values()) {
    const ready = await fetch(`${admin}/ready`);
    if (!ready.ok) missing.push(`${name}: ${await ready.text()}`);
    const page = (await (await fetch(`${admin}/endpoints`)).json()) as { endpoints: EndpointReport[] };
    for (const [caller, callee] of edges) {
      if (caller !== service) continue;
      const alive = [...members.values()].filter((each) => each.service === callee).map(({ peers }) => peers);
      const known = page.endpoints.filter((each) => each.service === callee);
      // A service that was never called is not watched yet.
      if (known.length === 0) continue;
      for (const address of alive) {
        const found = known.find((each) => each.address === address);
        if (found?.available !== true || found.gate !== 'open')
          missing.push(`${name} has no ${address} of ${callee}`);
      }
    }
  }
  return missing;
};
