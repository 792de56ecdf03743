import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { metric, skipped, within } from '../support/outages.ts';
import { consulVersion, startRealConsul } from '../support/real-consul.ts';
import {
  type Apart,
  addInstance,
  cpuOf,
  criticalSeen,
  crowd,
  nameOf,
  removeInstance,
  startApart,
} from './economy.ts';
import { type Finding, mebibytes, milliseconds, percentile, type Row } from './row.ts';

const sidecars = 8;
const upstreams = 40;
/** By then the code is warm, and routes of names that nobody calls are looked up seldom. */
const settleMs = 35_000;
/** Connections that a real agent takes from one client address. */
const agentLimit = 200;

const share = (cpuMs: number, wallMs: number): string => `${((100 * cpuMs) / wallMs).toFixed(1)} %`;

const startAll = async (consul: Parameters<typeof startApart>[0], count: number): Promise<Apart[]> => {
  const all: Apart[] = [];
  for (let at = 0; at < count; at++) all.push(await startApart(consul, `app-${at}`));
  return all;
};

/** Eight sidecars that know forty services each, on one agent, with nothing to do. */
const idle = async (forMs: number): Promise<Finding> => {
  if (consulVersion() === null) return skipped;
  const consul = await startRealConsul();
  const all: Apart[] = [];
  try {
    all.push(...(await startAll(consul, sidecars)));
    await crowd(consul, all, upstreams, 2);
    await pause(settleMs);
    const critical = criticalSeen(consul);
    const agentCpu = await cpuOf(consul.pid);
    for (const one of all) one.begin();
    await pause(forMs);
    const costs = await Promise.all(all.map((one) => one.cost()));
    const agentMs = (await cpuOf(consul.pid)) - agentCpu;
    const flaps = await critical.stop();
    const failed = costs.reduce(
      (sum, { metrics }) => sum + metric(metrics, 'outrigger_consul_failures_total'),
      0,
    );
    const shares = costs.map(({ cpuMs, wallMs }) => cpuMs / wallMs);
    const held = await connectionsTo(consul.url);
    return {
      measured: `a sidecar ${share(Math.max(...shares), 1)} of a core, the agent ${share(agentMs, forMs)}; ${held} connections, ${failed} failures, ${flaps} flaps`,
      control: `with a question that hangs for every watch: ${sidecars * (2 * upstreams + 4)} connections, the agent takes ${agentLimit}`,
      kept: Math.max(...shares) < 0.02 && failed === 0 && flaps === 0 && held < agentLimit,
    };
  } finally {
    await Promise.all(all.map((one) => one.close()));
    await consul.close();
  }
};

/** 200 services of five instances, one of which comes or goes each second. */
const scale = async (updates: number): Promise<Finding> => {
  if (consulVersion() === null) return skipped;
  const services = 200;
  const consul = await startRealConsul();
  const all: Apart[] = [];
  try {
    all.push(...(await startAll(consul, 1)));
    const [one] = all;
    await crowd(consul, all, services, 5);
    await pause(settleMs);
    one!.listen();
    one!.begin();
    const lateMs: number[] = [];
    for (let turn = 0; turn < updates; turn++) {
      const service = nameOf((turn * 37) % services);
      const at = Date.now();
      const count = turn % 2 === 0 ? 6 : 5;
      const name = count === 6 ? service : nameOf(((turn - 1) * 37) % services);
      if (count === 6) await addInstance(consul, name, 5);
      else await removeInstance(consul, name, 5);
      const is = (): boolean =>
        one!.heard.some((word) => word.service === name && word.count === count && word.at >= at);
      lateMs.push(await within(10_000, is));
      await pause(Math.max(0, at + 1000 - Date.now()));
    }
    const { cpuMs, wallMs, rss } = await one!.cost();
    const p99 = percentile(lateMs, 0.99);
    return {
      measured: `heard after ${milliseconds(percentile(lateMs, 0.5))}, p99 ${milliseconds(p99)}; ${share(cpuMs, wallMs)} of a core, ${mebibytes(rss)}`,
      control: `by long polls in turns of 2 s on 12 places: up to ${((2 * services * 2) / 12).toFixed(0)} s`,
      kept: lateMs.every((ms) => ms >= 0) && p99 <= 1000 && cpuMs / wallMs <= 0.1 && rss <= 150 * 1024 * 1024,
    };
  } finally {
    await Promise.all(all.map((each) => each.close()));
    await consul.close();
  }
};

/** Connections to the agent's port that are open. Ref: proc(5), `/proc/net/tcp`. */
const connectionsTo = async (url: string): Promise<number> => {
  const port = Number(new URL(url).port).toString(16).toUpperCase().padStart(4, '0');
  const established = '01';
  return (await readFile('/proc/net/tcp', 'utf8'))
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[2]?.endsWith(`:${port}`) && fields[3] === established).length;
};

/** What watching costs a sidecar and its agent. */
export const economyRows: readonly Row[] = [
  {
    id: 'T-19',
    fault: `${sidecars} sidecars x ${upstreams} upstreams on one agent`,
    promise: 'an idle sidecar below 2 % of a core, nothing refused, no flap',
    run: (short) => idle(short ? 30_000 : 600_000),
  },
  {
    id: 'T-19',
    fault: '200 services x 5, one update a second',
    promise: 'heard within 1 s (p99), below 10 % of a core, 150 MiB',
    run: (short) => scale(short ? 20 : 120),
  },
];
