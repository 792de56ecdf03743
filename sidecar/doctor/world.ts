import { readFileSync } from 'node:fs';
import { networkInterfaces, userInfo } from 'node:os';
import { type ConsulDoor, openConsul } from '../consul/door.ts';
import { ConsulError } from '../consul/errors.ts';
import { knowsToken } from '../consul/rights.ts';
import type { Kit } from '../core/kit.ts';
import { writePlace } from '../settings/address.ts';
import type { Settings } from '../settings/settings.ts';
import { because } from './finding.ts';

/** A sidecar that answers on the admin port of the settings. */
export interface Running {
  readonly service: string;
  readonly ports: readonly string[];
  /** Where its peers port is bound; null without one. */
  readonly peers: string | null;
  /** Wall-clock milliseconds; null without a certificate. */
  readonly validTo: number | null;
}

/** What the checks look at. Each question is asked once, however many checks want its answer. */
export interface World {
  readonly settings: Settings;
  /** Who is beside us; null when nobody said. */
  readonly service: string | null;
  /** The environment, as a sidecar started here would have it. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Wall-clock milliseconds. */
  readonly wall: () => number;
  readonly nodeVersion: string;
  /** Files that a process may open here; null where that is not known. */
  readonly openFiles: number | null;
  readonly uid: number;
  /** True for an address of this machine. */
  readonly isOwn: (address: string) => boolean;
  /** Where the token comes from, as messages call it; null without one. */
  readonly tokenFrom: string | null;
  /** The agent; why there is no door to it; null where no agent is asked. */
  readonly door: ConsulDoor | string | null;
  readonly signal: AbortSignal;
  /** Runs work that opens ports of the settings: one after the other, so that no check is in another's way. */
  alone<T>(work: () => Promise<T>): Promise<T>;
  /** The door, once an agent with a leader is behind it and knows the token; null before: other checks say why. */
  agent(): Promise<ConsulDoor | null>;
  /** What the agent says to a question; null where it refuses or has no answer. */
  ask(path: string): Promise<unknown>;
  running(): Promise<Running | null>;
}

/** What a world is opened with. */
export interface WorldOptions {
  readonly settings: Settings;
  readonly service: string | null;
  readonly kit: Pick<Kit, 'clock' | 'wheel' | 'random' | 'meter'>;
  readonly signal: AbortSignal;
  /** The token of the environment. */
  readonly token: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** The world as it is. `door` is to be closed by who opened it. */
export const openWorld = ({ settings, service, kit, signal, token, env }: WorldOptions): World => {
  const { discovery } = settings;
  const door =
    discovery.from === 'consul' ? opened(() => impatient(openConsul({ ...discovery, token }, kit))) : null;
  const file = discovery.from === 'consul' ? discovery.tokenFile : null;
  const answers = new Map<string, Promise<unknown>>();
  const ask = (path: string): Promise<unknown> => {
    const known = answers.get(path) ?? askOnce(door, path, signal);
    answers.set(path, known);
    return known;
  };
  const agent = once(async () => {
    if (door === null || typeof door === 'string') return null;
    try {
      const { status, text } = await door.look('/status/leader', signal);
      const isAgent = status === 200 && text.trim() !== '""';
      return isAgent && (await knowsToken(door, signal)) ? door : null;
    } catch {
      return null;
    }
  });
  return {
    settings,
    service,
    env,
    wall: kit.clock.wall,
    nodeVersion: process.versions.node,
    openFiles: openFiles(),
    uid: userInfo().uid,
    isOwn,
    tokenFrom: file ?? (token === undefined ? null : 'CONSUL_HTTP_TOKEN'),
    door,
    signal,
    alone: inTurn(),
    agent,
    ask,
    running: once(() => lookForSidecar(writePlace(settings.listen.admin), signal)),
  };
};

const isOwn = (address: string): boolean =>
  /^127\.|^::1$/.test(address) ||
  Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === address));

const opened = (open: () => ConsulDoor): ConsulDoor | string => {
  try {
    return open();
  } catch (thrown) {
    return because(thrown);
  }
};

/** Milliseconds for one answer of the agent: half of what a check has. */
const answerMs = 4000;

/** The door to an agent that is not waited for as long as a sidecar would. */
const impatient = (door: ConsulDoor): ConsulDoor => ({
  ...door,
  look: async (path, signal, body) => {
    const late = AbortSignal.timeout(answerMs);
    try {
      return await door.look(path, AbortSignal.any([signal, late]), body);
    } catch (thrown) {
      if (!late.aborted || signal.aborted) throw thrown;
      throw new ConsulError('timeout', `Consul at ${door.url}: no answer within ${answerMs / 1000} s`);
    }
  },
});

const inTurn = (): World['alone'] => {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work, work);
    last = turn;
    return turn;
  };
};

const once = <T>(work: () => Promise<T>): (() => Promise<T>) => {
  let answer: Promise<T> | null = null;
  return () => (answer ??= work());
};

const askOnce = async (door: World['door'], path: string, signal: AbortSignal): Promise<unknown> => {
  if (door === null || typeof door === 'string') return null;
  try {
    const { status, text } = await door.look(path, signal);
    return status === 200 ? JSON.parse(text) : null;
  } catch {
    return null;
  }
};

const lookForSidecar = async (admin: string, signal: AbortSignal): Promise<Running | null> => {
  if (admin.endsWith(':0')) return null;
  try {
    const answer = await fetch(`http://${admin}/snapshot`, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(2000)]),
    });
    const said = (await answer.json()) as {
      service: string;
      ports: Record<string, string | null>;
      identity: { validTo: number } | null;
    };
    const ports = Object.values(said.ports).filter((port) => port !== null);
    const { service, identity } = said;
    return { service, ports, peers: said.ports['peers'] ?? null, validTo: identity?.validTo ?? null };
  } catch {
    // Nobody there, or somebody who is no sidecar.
    return null;
  }
};

/** Node raises its own limit to the hard one at its start: what it then has is what a sidecar would have. */
const openFiles = (): number | null => {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
    return found === null ? null : Number(found[1]);
  } catch {
    return null;
  }
};
