import { setTimeout as pause } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { outageMesh } from '../support/outage-mesh.ts';
import { skipped, within } from '../support/outages.ts';
import { consulVersion, startRealConsul } from '../support/real-consul.ts';
import type { SettingsWords } from '../support/sidecars.ts';
import { atRate, failures } from '../support/steady-load.ts';
import { type Finding, milliseconds, type Row } from './row.ts';

const perSecond = 100;
const turns = 5;

/** Instances that come while their app is not ready, become ready, and leave, one after the other, under load. */
const comeAndGo = async (words: SettingsWords): Promise<Omit<Finding, 'control'> & { early: number }> => {
  const agent = await startRealConsul();
  const mesh = await outageMesh({ url: agent.url, instances: 1 });
  const load = atRate(mesh.client, perSecond);
  try {
    let [early, slowestIn, slowestOut] = [0, 0, 0];
    for (let turn = 0; turn < turns; turn++) {
      const { app, sidecar } = await mesh.add(words, grpc.status.UNAVAILABLE);
      await pause(1500);
      early += app.seen.length;
      app.failing = null;
      slowestIn = Math.max(slowestIn, await within(10_000, () => app.seen.length > 0));
      await pause(500);
      const begin = performance.now();
      let last = begin;
      let calls = app.seen.length;
      const look = setInterval(() => {
        if (app.seen.length > calls) last = performance.now();
        calls = app.seen.length;
      }, 5);
      await sidecar.drain();
      await pause(500);
      clearInterval(look);
      slowestOut = Math.max(slowestOut, last - begin);
      await sidecar.close();
    }
    await load.stop();
    const failed = failures(load.codes).length;
    return {
      measured: `${early} calls before SERVING, the first within ${milliseconds(slowestIn)} after, the last within ${milliseconds(slowestOut)} after it begins to leave; ${failed} of ${load.codes.length} failed`,
      early,
      kept: early === 0 && slowestIn <= 1000 && slowestOut <= 1000 && failed === 0,
    };
  } finally {
    await load.stop();
    await mesh.close();
    await agent.close();
  }
};

/** How soon callers hear of instances that come and go, on a real Consul. */
export const arrivalRows: readonly Row[] = [
  {
    id: 'L-01',
    fault: `${turns} instances come and go`,
    promise: 'no call before SERVING, one within 1 s; none from 1 s after leaving',
    async run() {
      if (consulVersion() === null) return skipped;
      const { measured, kept } = await comeAndGo({ service: { check: 'grpc' } });
      const { early } = await comeAndGo({ service: { check: 'none' } });
      return {
        measured,
        control: `nobody asks the app: ${early} calls before SERVING`,
        kept: kept && early > 0,
      };
    },
  },
];
