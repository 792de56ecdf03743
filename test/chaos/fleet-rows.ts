import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { within } from '../support/outages.ts';
import { type SettingsWords, sumOf } from '../support/sidecars.ts';
import { echoes, failures, type SteadyLoad } from '../support/steady-load.ts';
import { Fleet } from './fleet.ts';
import { against, failedSince, neverEject, perSecond, played, type Told } from './partial.ts';
import { milliseconds, percentile, type Row } from './row.ts';

const instances = 3;
const streamsAtOnce = 6;

const told = ({ codes }: SteadyLoad): string => `${failures(codes).length} of ${codes.length} failed`;

/** Each of three in turn is ended by `signal` and started again, until there were so many calls. */
const rolling = (leastCalls: number, signal: NodeJS.Signals): Promise<Told> =>
  played(
    () => Fleet.open(instances),
    async (fleet, load) => {
      let whole = 0;
      let streams = 0;
      for (let turn = 0; turn < instances || load.codes.length < leastCalls; turn++) {
        const member = fleet.members[turn % instances]!;
        const held = Array.from({ length: streamsAtOnce }, () => fleet.client.bidi());
        await Promise.all(held.map((stream) => echoes(stream, 'before')));
        const { child } = member.sidecar;
        const gone = once(child, 'exit');
        child.kill(signal);
        await pause(300);
        const still = await Promise.all(held.map((stream) => echoes(stream, 'during')));
        for (const { call } of held) call.end();
        const ends = await Promise.all(held.map(({ ended }) => ended));
        streams += streamsAtOnce;
        whole += ends.filter(({ code }, at) => still[at] && code === grpc.status.OK).length;
        await gone;
        await fleet.restart(member);
        await fleet.settled(instances);
      }
      await load.stop();
      const longest = Math.max(...load.latencies);
      return {
        figures: `${told(load)}, ${whole} of ${streams} streams whole, longest ${milliseconds(longest)}`,
        kept:
          failures(load.codes).length === 0 &&
          whole === streams &&
          load.codes.length >= leastCalls &&
          longest <= 1050,
      };
    },
  );

/** Sidecars and apps are killed by turns, and started again a second later. */
const killed = (kills: number, policy: SettingsWords): Promise<Told> =>
  played(
    () => Fleet.open(instances, { policies: { echo: policy } }),
    async (fleet, load) => {
      let inFlight = 0;
      let late = 0;
      for (let turn = 0; turn < kills; turn++) {
        const member = fleet.members[Math.floor(Math.random() * instances)]!;
        inFlight += Math.max(1, fleet.state(member)?.load ?? 0);
        (turn % 2 === 0 ? member.sidecar : member.app).child.kill('SIGKILL');
        await pause(1000);
        const from = load.codes.length;
        await pause(200);
        late += failedSince(load, from);
        await fleet.restart(member);
        await fleet.settled(instances);
      }
      await load.stop();
      const failed = failures(load.codes);
      const isPlain = failed.every((code) => code === grpc.status.UNAVAILABLE);
      const allowed = policy['idempotent'] === true ? 0 : 2 * inFlight;
      return {
        figures: `${told(load)} in ${kills} kills, ${late} of them later than 1 s${isPlain ? '' : ', not all UNAVAILABLE'}${failed.length === 0 ? '' : `, the first: ${load.complaints[0]}`}`,
        kept: failed.length <= allowed && late === 0 && isPlain,
      };
    },
  );

const handles = (): number => readdirSync('/proc/self/fd').length;

/** One of three stands still for so long: its app, or its sidecar. */
const frozen = (what: 'app' | 'sidecar', forMs: number, words: SettingsWords): Promise<Told> =>
  played(
    () => Fleet.open(instances, words),
    async (fleet, load) => {
      const member = fleet.members[0]!;
      const { child } = member[what];
      const lost = (): number => sumOf(fleet.caller, 'outrigger_links_lost_total');
      const lostBefore = lost();
      const isOut = (): boolean => {
        const state = fleet.state(member);
        return state === undefined || state.gate !== 'open' || !state.available;
      };
      const begin = load.codes.length;
      child.kill('SIGSTOP');
      const out = within(forMs, isOut);
      const pinged = within(forMs, () => lost() > lostBefore);
      await pause(3500);
      const before = handles();
      const from = load.codes.length;
      await pause(forMs - 3500);
      const late = failedSince(load, from);
      const grown = handles() - before;
      child.kill('SIGCONT');
      const backMs = await within(10_000, () => !isOut());
      await load.stop();
      const [outMs, pingMs] = [await out, await pinged];
      const overrun = percentile(
        load.latencies.slice(begin).filter((_, at) => load.codes[begin + at] !== grpc.status.OK),
        0.99,
      );
      const isExpired = failures(load.codes).every((code) => code === grpc.status.DEADLINE_EXCEEDED);
      const app =
        overrun <= 1020 && isExpired && outMs >= 0 && outMs <= 2000 && backMs >= 0 && backMs <= 2000;
      const sidecar = pingMs >= 0 && pingMs <= 3100 && grown <= 4;
      return {
        figures: `${told(load)}, ${late} after 3.5 s, the longest ${milliseconds(overrun)}; out after ${milliseconds(outMs)}, ${what === 'app' ? `back after ${milliseconds(backMs)}` : `pinged out after ${milliseconds(pingMs)}, ${grown} more handles`}`,
        kept: late === 0 && (what === 'app' ? app : sidecar),
      };
    },
  );

/** As the contract of such a method would say. */
const repeatable = { unary: true, idempotent: true };
const bare = { ...neverEject, retry: { attempts: 1 } };
/** So that what stands still goes on getting its share until somebody takes it away: peak EWMA would avoid it. */
const inTurn = { policies: { echo: { balance: 'round-robin' } } };
const unguarded = { policies: { echo: { balance: 'round-robin', ...neverEject } } };
const pings = { limits: { 'ping-interval': '2s', 'ping-timeout': '1s' }, ...inTurn };
const noPings = { limits: { 'ping-interval': '1h', 'ping-timeout': '1h' }, ...unguarded };

/** What becomes of calls while processes of a service restart, die and stand still. */
export const fleetRows: readonly Row[] = [
  {
    id: 'T-01',
    fault: 'rolling restart of three',
    promise: '0 failed of 20,000, streams whole, none beyond its deadline',
    run: (short) =>
      against(
        () => rolling(short ? 10 * perSecond : 20_000, 'SIGTERM'),
        () => rolling(10 * perSecond, 'SIGKILL'),
      ),
  },
  {
    id: 'T-02',
    fault: 'sidecars and apps are killed',
    promise: 'idempotent calls: 0 failed',
    run: (short) =>
      against(
        () => killed(short ? 6 : 50, repeatable),
        () => killed(6, { ...repeatable, ...bare }),
      ),
  },
  {
    id: 'T-02',
    fault: 'the same, calls that may not be repeated',
    promise: 'no more fail than were in flight, none later than 1 s',
    run: (short) =>
      against(
        () => killed(short ? 6 : 50, {}),
        () => killed(6, bare),
      ),
  },
  {
    id: 'T-03',
    fault: 'an app stands still',
    promise: 'ended at the deadline +20 ms; out within 2 s, back within 2 s',
    run: (short) =>
      against(
        () => frozen('app', short ? 5000 : 10_000, inTurn),
        () => frozen('app', 5000, unguarded),
      ),
  },
  {
    id: 'T-04',
    fault: 'a sidecar stands still',
    promise: 'pinged out within 3 s, then 0 calls to it, no handle more',
    run: (short) =>
      against(
        () => frozen('sidecar', short ? 6000 : 10_000, pings),
        () => frozen('sidecar', 6000, noPings),
      ),
  },
];
