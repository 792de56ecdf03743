import { setTimeout as pause } from 'node:timers/promises';
import type * as grpc from '@grpc/grpc-js';
import { type AgentMesh, type AgentMeshOptions, agentMesh, hasty } from '../support/agent-mesh.ts';
import type { Answers } from '../support/echo-client.ts';
import { until } from '../support/raw-http2.ts';
import {
  addRoot,
  dropRoot,
  nextAuthority,
  renewalsLog,
  renewLeaves,
  serialShown,
  serialWritten,
  switchLeaves,
  switchUntold,
} from '../support/rotation.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../support/sidecars.ts';
import { atRate, echoes, failures, type SteadyLoad } from '../support/steady-load.ts';
import { type Finding, milliseconds, percentile, type Row } from './row.ts';

const perSecond = 200;
const streamCount = 20;
const rotations = 100;
const everyMs = 2000;
/** How long the mesh is left under load after each step of a change of the authority. */
const settleMs = 2000;
/** Life of leaves that really end while the row runs, and how many of them each side has. */
const shortLifeMs = 6000;
const lives = 10;

/** How many of the streams still carry what is written to them. */
const whole = async (streams: readonly Answers[], text: string): Promise<number> =>
  (await Promise.all(streams.map((stream) => echoes(stream, text)))).filter(Boolean).length;

const withMesh = async <T>(
  run: (mesh: TwoSidecars, load: SteadyLoad, renewals: () => number) => Promise<T>,
): Promise<T> => {
  const { log, renewals } = renewalsLog();
  const mesh = await twoSidecars({ log });
  const load = atRate(mesh.client, perSecond);
  try {
    return await run(mesh, load, renewals);
  } finally {
    await load.stop();
    await mesh.close();
  }
};

const figures = ({ codes, latencies }: SteadyLoad): string =>
  `${failures(codes).length} of ${codes.length} failed, p99 ${milliseconds(percentile(latencies, 0.99))}`;

/** One call of a caller that was not there before, over a connection of its own. */
const newcomer = async (mesh: TwoSidecars, name: string): Promise<grpc.status> => {
  const sidecar = await mesh.addCaller(name);
  return (await mesh.connect('echo', { target: sidecar.ports.app }).call('Unary', 'm')).code;
};

/** New leaves on both sides again and again: what calls, streams and those who come anew see of it. */
const leavesChange = (): Promise<Omit<Finding, 'control'>> =>
  withMesh(async (mesh, load) => {
    const streams = Array.from({ length: streamCount }, () => mesh.client.bidi());
    const newcomers: grpc.status[] = [];
    let unbroken = streamCount;
    let shown = 0;
    const begin = performance.now();
    for (let turn = 0; turn < rotations; turn++) {
      await renewLeaves(mesh, turn);
      if ((await serialShown(mesh)) === (await serialWritten(mesh))) shown++;
      unbroken = Math.min(unbroken, await whole(streams, `rotation ${turn}`));
      if (turn % 10 === 0) newcomers.push(await newcomer(mesh, `newcomer-${turn}`));
      await pause(Math.max(0, begin + (turn + 1) * everyMs - performance.now()));
    }
    for (const { call } of streams) call.end();
    const ended = failures(
      (await Promise.all(streams.map((stream) => stream.ended))).map(({ code }) => code),
    );
    await load.stop();
    const lost = sumOf(mesh.caller, 'outrigger_links_lost_total');
    return {
      measured: `${figures(load)}, ${unbroken - ended.length}/${streamCount} streams whole, ${shown}/${rotations} shown`,
      kept:
        shown === rotations &&
        load.codes.length >= (rotations * everyMs * perSecond * 0.95) / 1000 &&
        failures([...load.codes, ...newcomers]).length === 0 &&
        unbroken === streamCount &&
        ended.length === 0 &&
        lost === 0,
    };
  });

/** Add, switch, drop: who followed loses no call, who did not is refused, on the connection that it had too. */
const authorityChanges = (): Promise<Omit<Finding, 'control'>> =>
  withMesh(async (mesh, load, renewals) => {
    const { certificates } = mesh;
    const old = certificates.authority;
    const next = await nextAuthority(mesh);
    const files = await certificates.write('laggard', { service: 'laggard' }, old, [old.root, next.root]);
    const laggard = await mesh.addCaller('laggard', {}, files);
    const late = mesh.connect('echo', { target: laggard.ports.app });
    const before = (await late.call('Unary', 'm')).code;
    await pause(settleMs);
    await addRoot(mesh, next, renewals);
    await pause(settleMs);
    await switchLeaves(mesh, next);
    await pause(settleMs);
    const switched = (await late.call('Unary', 'm')).code;
    const begin = performance.now();
    await dropRoot(mesh, next);
    await until(() => sumOf(laggard, 'outrigger_links', 'service="echo"') === 0, 'the laggard to be refused');
    const refusedMs = performance.now() - begin;
    const after = (await late.call('Unary', 'm')).code;
    await pause(settleMs);
    await load.stop();
    const lost = sumOf(mesh.caller, 'outrigger_links_lost_total');
    return {
      measured: `${figures(load)}, the old leaf refused after ${milliseconds(refusedMs)}`,
      kept:
        failures([...load.codes, before, switched]).length === 0 &&
        failures([after]).length === 1 &&
        load.codes.length >= (4 * settleMs * perSecond * 0.95) / 1000 &&
        lost === 0,
    };
  });

const onAgent = async <T>(
  options: AgentMeshOptions,
  run: (mesh: AgentMesh, load: SteadyLoad) => Promise<T>,
): Promise<T> => {
  const mesh = await agentMesh(options);
  const load = atRate(mesh.client, perSecond);
  try {
    return await run(mesh, load);
  } finally {
    await load.stop();
    await mesh.close();
  }
};

/** Whether those who dial the callee are shown the agent's newest leaf, at once or within a second. */
const showsNewest = async (mesh: AgentMesh): Promise<boolean> => {
  for (let turn = 0; turn < 20; turn++) {
    if ((await serialShown(mesh)) === (await mesh.serial())) return true;
    await pause(50);
  }
  return false;
};

/** The same as `leavesChange` where Consul makes the leaves; then a new root is added, signs, and stays alone. */
const agentRenews = (): Promise<Omit<Finding, 'control'>> =>
  onAgent({ time: hasty(everyMs) }, async (mesh, load) => {
    const streams = Array.from({ length: streamCount }, () => mesh.client.bidi());
    const newcomers: grpc.status[] = [];
    let unbroken = streamCount;
    let going = true;
    let turns = 0;
    let shown = 0;
    const begin = performance.now();
    const look = async (): Promise<void> => {
      await pause(everyMs);
      turns++;
      if (await showsNewest(mesh)) shown++;
      if (going) unbroken = Math.min(unbroken, await whole(streams, `turn ${turns}`));
      if (turns % 10 === 0) newcomers.push(await mesh.newcomer(`newcomer-${turns}`));
    };
    while (mesh.renewals() < rotations && turns < 1.5 * rotations) await look();
    const renewed = mesh.renewals();
    await mesh.agent.rotateRoot();
    await look();
    going = false;
    for (const { call } of streams) call.end();
    const ended = failures(
      (await Promise.all(streams.map((stream) => stream.ended))).map(({ code }) => code),
    );
    mesh.agent.dropOldRoots();
    await look();
    newcomers.push(await mesh.newcomer('newcomer-after'));
    const lastedMs = performance.now() - begin;
    await load.stop();
    const lost = sumOf(mesh.caller, 'outrigger_links_lost_total');
    return {
      measured: `${renewed} leaves and a root: ${figures(load)}, ${unbroken - ended.length}/${streamCount} streams whole, ${shown}/${turns} shown`,
      kept:
        renewed >= rotations &&
        shown === turns &&
        load.codes.length >= (lastedMs * perSecond * 0.95) / 1000 &&
        failures([...load.codes, ...newcomers]).length === 0 &&
        unbroken === streamCount &&
        ended.length === 0 &&
        lost === 0,
    };
  });

/** Leaves that really end soon: connections end with them, and are replaced before. */
const leavesEnd = (): Promise<Omit<Finding, 'control'>> =>
  onAgent({ leafTtlMs: shortLifeMs }, async (mesh, load) => {
    const newcomers: grpc.status[] = [];
    const begin = performance.now();
    while (mesh.renewals() < lives) {
      await pause(shortLifeMs / 2);
      newcomers.push(await mesh.newcomer(`newcomer-${newcomers.length}`));
      if (performance.now() - begin > 2 * lives * shortLifeMs) break;
    }
    const lastedMs = performance.now() - begin;
    await load.stop();
    const lost = sumOf(mesh.caller, 'outrigger_links_lost_total');
    return {
      measured: `${figures(load)}, ${mesh.renewals()} renewals each in ${(lastedMs / 1000).toFixed(0)} s, ${lost} connections lost`,
      kept:
        mesh.renewals() >= lives &&
        load.codes.length >= (lastedMs * perSecond * 0.95) / 1000 &&
        failures([...load.codes, ...newcomers]).length === 0,
    };
  });

/** The control run of both: a callee that never takes a new leaf, beyond the end of its first. */
const neverRenewed = async (): Promise<{ readonly control: string; readonly harmed: boolean }> => {
  const mesh = await agentMesh({ leafTtlMs: shortLifeMs, sabotage: ['identity'] });
  try {
    await pause(shortLifeMs + 1000);
    const codes: grpc.status[] = [];
    for (let at = 0; at < 5; at++) codes.push(await mesh.newcomer(`newcomer-${at}`));
    const failed = failures(codes).length;
    return {
      control: `callee without renewal: ${failed} of ${codes.length} new callers failed`,
      harmed: failed === 5,
    };
  } finally {
    await mesh.close();
  }
};

/** The control run of both rows on files: a leaf of an authority that nobody was told of. */
const untold = (): Promise<{ readonly control: string; readonly harmed: boolean }> =>
  withMesh(async (mesh) => {
    await switchUntold(mesh, await nextAuthority(mesh));
    const codes: grpc.status[] = [];
    for (let at = 0; at < 5; at++) codes.push(await newcomer(mesh, `newcomer-${at}`));
    const failed = failures(codes).length;
    return {
      control: `switched untold: ${failed} of ${codes.length} new callers failed`,
      harmed: failed === 5,
    };
  });

const row = (
  id: string,
  fault: string,
  promise: string,
  measure: () => Promise<Omit<Finding, 'control'>>,
  without = untold,
): Row => ({
  id,
  fault,
  promise,
  async run() {
    const { measured, kept } = await measure();
    const { control, harmed } = await without();
    return { measured, control, kept: kept && harmed };
  },
});

/** The rows about certificates, on files and on a development agent; both sides change, under 200 calls a second. */
export const rotationRows: readonly Row[] = [
  row(
    'T-30',
    `${rotations} new leaves, one each ${everyMs / 1000} s`,
    `0 calls failed, ${streamCount} streams whole, no connection lost`,
    leavesChange,
  ),
  row(
    'T-30',
    'the same from consul-dev, then a root',
    `0 calls failed, ${streamCount} streams whole, no connection lost`,
    agentRenews,
    neverRenewed,
  ),
  row('T-30', `leaves of ${shortLifeMs / 1000} s from consul-dev`, '0 calls failed', leavesEnd, neverRenewed),
  row(
    'T-31',
    'a new authority: add, switch, drop',
    '0 calls failed; the old leaf refused once it is dropped',
    authorityChanges,
  ),
];
