import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type * as grpc from '@grpc/grpc-js';
import { until } from '../support/raw-http2.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../support/sidecars.ts';
import { laxServer } from '../support/stalled-handshakes.ts';
import { atRate, failures } from '../support/steady-load.ts';
import { type Finding, milliseconds, percentile, type Row } from './row.ts';

const perSecond = 200;
const addresses = 25;
const perAddress = 80;
const stalledCount = addresses * perAddress;
/** Life of the leaf that nobody renews. */
const lifeMs = 30_000;

/** Whatever comes of it, nothing is left behind that would keep the process. */
const onMesh = async (run: (mesh: TwoSidecars) => Promise<Finding>): Promise<Finding> => {
  const mesh = await twoSidecars();
  try {
    return await run(mesh);
  } finally {
    await mesh.close();
  }
};

/** Another process with handshakes that stall, so that it is not its own work that others wait for. */
const staller = async (
  port: number,
): Promise<{ begin(): Promise<void>; fewerThan(count: number): Promise<void>; close(): void }> => {
  const ending = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
  const child = fork(fileURLToPath(new URL(`./staller${ending}`, import.meta.url)), [
    ...[port, addresses, perAddress].map(String),
  ]);
  let open = Number.POSITIVE_INFINITY;
  child.on('message', (count: number) => {
    open = count;
  });
  await once(child, 'message');
  open = Number.POSITIVE_INFINITY;
  const fewerThan = async (count: number): Promise<void> => {
    const end = performance.now() + 15_000;
    while (open >= count && performance.now() < end) await pause(20);
  };
  const begin = async (): Promise<void> => {
    child.send('go');
    await once(child, 'message');
  };
  return { begin, fewerThan, close: () => child.disconnect() };
};

/** Sockets that never finish their handshake: what others see of them, and when they are gone. */
const stalledHandshakes = async (mesh: TwoSidecars): Promise<Finding> => {
  const port = Number(mesh.callees[0]!.ports.peers!.split(':')[1]);
  // There before, so that what is measured is not its start; it has no connection yet.
  const { ports } = await mesh.addCaller('newcomer');
  const newcomer = mesh.connect('echo', { target: ports.app });
  const stalled = await staller(port);
  const quiet = atRate(mesh.client, perSecond);
  await pause(6000);
  await quiet.stop();
  const load = atRate(mesh.client, perSecond);
  await stalled.begin();
  const begun = performance.now();
  await stalled.fewerThan(513);
  let newcomerMs = -1;
  for (let turn = 0; newcomerMs < 0 && turn < 30; turn++) {
    const { code } = await newcomer.call('Unary', 'm', { deadlineMs: 1000 });
    if (code === 0) newcomerMs = performance.now() - begun;
    else await pause(100);
  }
  await stalled.fewerThan(1);
  const goneMs = performance.now() - begun;
  await load.stop();
  stalled.close();
  const [before, during] = [percentile(quiet.latencies, 0.99), percentile(load.latencies, 0.99)];
  const control = await laxServer(addresses, perAddress);
  await pause(goneMs);
  const held = control.held();
  await control.close();
  return {
    measured: `gone in ${milliseconds(goneMs)}, a newcomer after ${milliseconds(newcomerMs)}, p99 ${milliseconds(before)} to ${milliseconds(during)}`,
    control: `Node's own TLS server: ${held} of ${stalledCount} held after ${milliseconds(goneMs)}`,
    kept:
      goneMs <= 6500 &&
      newcomerMs >= 0 &&
      newcomerMs <= 3000 &&
      failures(load.codes).length === 0 &&
      during <= before * 1.2 + 5 &&
      held === stalledCount,
  };
};

/** A callee's leaf that nobody renews: served till its end, and by nobody after. */
const leafEnds = async (mesh: TwoSidecars): Promise<Finding> => {
  const callee = mesh.callees[0]!;
  const before = callee.identity()!.validTo;
  const leaf = { service: 'echo', notBefore: Date.now(), notAfter: Date.now() + lifeMs };
  await mesh.certificates.write('echo', leaf);
  await until(() => callee.identity()!.validTo !== before, 'the short leaf');
  const { validTo } = callee.identity()!;
  const caller = await mesh.addCaller('orders');
  const load = atRate(mesh.connect('echo', { target: caller.ports.app }), perSecond);
  await pause(validTo - 8000 - Date.now());
  const warned = callee.warnings().length;
  await pause(validTo - 1000 - Date.now());
  await load.stop();
  await until(() => sumOf(caller, 'outrigger_links', 'service="echo"') === 0, 'the last connection to end');
  const endedMs = Date.now() - validTo;
  await pause(validTo + 200 - Date.now());
  const codes: grpc.status[] = [];
  for (let at = 0; at < 5; at++) {
    const { ports } = await mesh.addCaller(`late-${at}`);
    codes.push((await mesh.connect('echo', { target: ports.app }).call('Unary', 'm')).code);
  }
  const refused = failures(codes).length;
  await mesh.certificates.write('echo');
  await until(() => callee.identity()!.validTo > Date.now(), 'a leaf that lasts');
  const { ports } = await mesh.addCaller('later');
  const renewed = (await mesh.connect('echo', { target: ports.app }).call('Unary', 'm')).code;
  return {
    measured: `${failures(load.codes).length} of ${load.codes.length} failed before, the last connection ended ${-endedMs} ms before it, ${refused}/5 refused after`,
    control: `renewed after all: code ${renewed}`,
    kept: failures(load.codes).length === 0 && warned === 1 && endedMs <= 0 && refused === 5 && renewed === 0,
  };
};

/** The rows about handshakes and the end of certificates. */
export const identityRows: readonly Row[] = [
  {
    id: 'T-32',
    fault: `a leaf of ${lifeMs / 1000} s that nobody renews`,
    promise: '0 calls failed till its end, no connection beyond it, none after',
    run: () => onMesh(leafEnds),
  },
  {
    id: 'T-36',
    fault: `${stalledCount} handshakes that stall`,
    promise: "closed <= 6.5 s, a newcomer <= 3 s, others' p99 within 20 % and 5 ms",
    run: () => onMesh(stalledHandshakes),
  },
];
