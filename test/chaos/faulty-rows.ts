import { setTimeout as pause } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { type LinedMesh, linedMesh } from '../support/lined-mesh.ts';
import { type SettingsWords, sumOf } from '../support/sidecars.ts';
import { against, neverEject, percent, played, shareOk, type Told } from './partial.ts';
import type { Row } from './row.ts';

const faulty = 3;

/** Begins a fault, and says how it ends. */
type Fault = (mesh: LinedMesh) => () => void;

const unavailable: Fault = ({ mesh }) => {
  for (const app of mesh.apps.slice(0, faulty)) app.failing = grpc.status.UNAVAILABLE;
  return () => {};
};

const halfOfThem: Fault = ({ mesh }) => {
  const timer = setInterval(() => {
    for (const app of mesh.apps.slice(0, faulty))
      app.failing = Math.random() < 0.5 ? grpc.status.UNAVAILABLE : null;
  }, 2);
  return () => clearInterval(timer);
};

const reset: Fault = ({ lines }) => {
  const timer = setInterval(() => {
    for (const line of lines.slice(0, faulty)) line.cut();
  }, 20);
  return () => clearInterval(timer);
};

const idempotent = { idempotent: true };

/** Three of ten go wrong and stay so. */
const threeOfTen = (fault: Fault, forMs: number, policy: SettingsWords = {}): Promise<Told> =>
  played(
    () => linedMesh(10, { policies: { echo: { ...idempotent, ...policy } } }),
    async (mesh, load) => {
      const { caller } = mesh;
      const begin = load.codes.length;
      const retriesBefore = sumOf(caller, 'outrigger_retries_total');
      const end = fault(mesh);
      const innocents = new Set(mesh.lines.slice(faulty).map(({ address }) => address));
      let wronged = 0;
      const look = setInterval(() => {
        const out = caller
          .endpoints()
          .filter(({ address, gate }) => gate !== 'open' && innocents.has(address));
        wronged = Math.max(wronged, out.length);
      }, 50);
      await pause(2000);
      const from = load.codes.length;
      await pause(forMs);
      await load.stop();
      end();
      clearInterval(look);
      const calls = load.codes.length - begin;
      const attempts = 1 + (sumOf(caller, 'outrigger_retries_total') - retriesBefore) / calls;
      const all = shareOk(load.codes.slice(begin));
      const late = shareOk(load.codes.slice(from));
      return {
        figures: `${percent(late)} after 2 s, ${percent(all)} in all, ${attempts.toFixed(3)} attempts a call, ${wronged} innocents out`,
        kept: late >= 0.999 && all >= 0.99 && attempts <= 1.2 && wronged === 0,
      };
    },
  );

const threeOfTenRow = (what: string, fault: Fault): Row => ({
  id: 'T-10',
  fault: `3 of 10 ${what}`,
  promise: '99.9 % after 2 s, 99 % in all, 1.2 attempts',
  run: (short) =>
    against(
      () => threeOfTen(fault, short ? 6000 : 30_000),
      () => threeOfTen(fault, 3000, { ...neverEject, retry: { attempts: 1 } }),
    ),
});

/** What apps that fail do to calls. */
export const faultyRows: readonly Row[] = [
  threeOfTenRow('answer UNAVAILABLE', unavailable),
  threeOfTenRow('fail every second call', halfOfThem),
  threeOfTenRow('lose connections at 50 Hz', reset),
];
