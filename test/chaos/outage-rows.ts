import http2 from 'node:http2';
import { setTimeout as pause } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { chain } from '../support/chain-mesh.ts';
import { within } from '../support/outages.ts';
import type { SettingsWords } from '../support/sidecars.ts';
import { atRate } from '../support/steady-load.ts';
import { Fleet } from './fleet.ts';
import { against, played, shareOk, type Told } from './partial.ts';
import { milliseconds, percentile, type Row } from './row.ts';

const { UNAVAILABLE } = grpc.status;

/**
 * How long calls to `echo` take, one after the other for `forMs`, by Node's own HTTP/2: grpc-js takes longer than a
 * refusal does.
 */
const knock = async (sidecar: string, forMs: number): Promise<readonly number[]> => {
  const session = http2.connect(`http://${sidecar}`);
  const took: number[] = [];
  try {
    for (let begin = performance.now(), end = begin + forMs; begin < end; begin = performance.now()) {
      await new Promise<void>((resolve, reject) => {
        const stream = session.request({
          ':method': 'POST',
          ':path': '/interop.Echo/Unary',
          ':authority': 'echo',
          'content-type': 'application/grpc',
          te: 'trailers',
        });
        stream.once('error', reject).once('close', resolve).resume().end(Buffer.alloc(5));
      });
      took.push(performance.now() - begin);
      await pause(2);
    }
  } finally {
    session.close();
  }
  return took;
};

/** All instances fail; after a while one of them is well again. */
const allDown = (forMs: number, policy: SettingsWords): Promise<Told> =>
  played(
    () => Fleet.open(3, { policies: { echo: policy } }),
    async (fleet) => {
      const all = async (failing: number | null): Promise<number> => {
        const failed = await Promise.all(fleet.members.map((member) => fleet.order(member, { failing })));
        return failed.reduce((sum, each) => sum + each, 0);
      };
      await all(UNAVAILABLE);
      await pause(1000);
      const shutAfter = await all(UNAVAILABLE);
      const p99 = percentile(await knock(fleet.caller.ports.app, forMs), 0.99);
      const probed = (await all(UNAVAILABLE)) - shutAfter;
      await fleet.order(fleet.members[0]!, { failing: null });
      const isBack = async (): Promise<boolean> => (await fleet.client.call('Unary', 'm')).code === 0;
      const backMs = await within(10_000, isBack);
      return {
        figures: `${shutAfter} reached an app in the first second, then ${probed} in ${milliseconds(forMs)}; refused within ${milliseconds(p99)} (p99), open after ${milliseconds(backMs)}`,
        kept: shutAfter <= 20 && probed <= (1.5 * forMs) / 1000 && p99 <= 2 && backMs >= 0 && backMs <= 2000,
      };
    },
  );

const depth = 4;
/** Four gates open one after the other, each within a second or two of the one below. */
const mostMs = 10_000;

/** The bottom of a chain of four fails for so long. `words` are of every sidecar. */
const storm = async (
  forMs: number,
  perSecond: number,
  forwards: boolean,
  words: SettingsWords,
): Promise<Told> => {
  const stop = { words, forwards };
  const mesh = await chain([stop, stop, stop, { ...stop, answers: true }], [], words);
  try {
    await mesh.client.call('Unary', 'm');
    const load = atRate(mesh.client, perSecond);
    await pause(1000);
    const offered = load.codes.length;
    const attempts = mesh.visits[depth - 1]!.length;
    mesh.failing = UNAVAILABLE;
    await pause(forMs);
    const meanwhile = load.codes.length - offered;
    const atBottom = mesh.visits[depth - 1]!.length - attempts;
    mesh.failing = null;
    const from = load.codes.length;
    const isWell = (): boolean => load.codes.length > from && shareOk(load.codes.slice(-perSecond / 2)) === 1;
    const wellMs = await within(mostMs, isWell);
    await load.stop();
    return {
      figures: `${(atBottom / meanwhile).toFixed(2)} attempts at the bottom for each of ${meanwhile} calls; all is well ${milliseconds(wellMs)} after it`,
      kept: atBottom <= 1.2 * meanwhile && wellMs >= 0,
    };
  } finally {
    await mesh.close();
  }
};

const idempotent = { idempotent: true };
const undefended = {
  policies: {
    '*': {
      ...idempotent,
      budget: { mode: 'off' },
      breaker: { mode: 'off' },
      retry: { attempts: 2, 'first-wait': '1ms' },
    },
  },
};

/** What becomes of services that are down, and of those who call them. */
export const outageRows: readonly Row[] = [
  {
    id: 'T-12',
    fault: 'all of three fail, one recovers',
    promise: 'shut by 20 calls, then a probe a second; refused in 2 ms; open in 2 s',
    run: (short) =>
      against(
        () => allDown(short ? 5000 : 20_000, {}),
        () => allDown(5000, { breaker: { mode: 'off' } }),
      ),
  },
  {
    id: 'T-13',
    fault: 'the bottom of a chain of four is down',
    promise: 'at most 1.2 attempts there for each call; well 10 s after',
    run: (short) =>
      against(
        () => storm(short ? 5000 : 30_000, 100, true, { policies: { '*': idempotent } }),
        () => storm(3000, 10, false, undefended),
      ),
  },
];
