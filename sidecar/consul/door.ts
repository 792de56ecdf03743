import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import type { Kit } from '../core/kit.ts';
import type * as answers from './answers.ts';
import { ConsulClient, type ConsulSettings, type Lane } from './client.ts';
import { ConsulError, reasonOf } from './errors.ts';
import { Polls } from './polls.ts';
import { AnswerReader } from './reader.ts';
import type { Shapes } from './reading.ts';

/** How a question is asked. */
export interface Question {
  readonly signal: AbortSignal;
  /** Hang until something newer than this index; absent: answer at once. */
  readonly index?: bigint | undefined;
  /** Milliseconds to hang at most, with `index`. */
  readonly waitMs?: number | undefined;
  /** `stale`: any server answers, also without a leader. `consistent`: the leader asks its peers first. */
  readonly mode?: 'stale' | 'consistent' | 'default' | undefined;
}

/** An answer, and how far it can be trusted. */
export interface Answer<T> {
  readonly value: T;
  /** Where to go on from; null when the agent said none, or 0. */
  readonly index: bigint | null;
  /** Milliseconds since the answering server last heard from the leader. */
  readonly lastContactMs: number;
  readonly knownLeader: boolean;
}

/** A registration as the agent takes it. Ref: "Register Service" of Consul's agent API. */
export type ServiceDefinition = Readonly<Record<string, unknown>>;

/** All that is asked of a Consul agent, in our words. Every method rejects with a ConsulError alone. */
export interface ConsulDoor {
  readonly url: string;
  /** The places for questions that hang; shared by all watches of this sidecar. */
  readonly polls: Polls;
  /** Instances of `service` that speak Connect and pass their checks. */
  connect(service: string, question: Question): Promise<Answer<answers.ConnectEntry[]>>;
  /** Intentions whose destination is `service`. */
  intentions(service: string, question: Question): Promise<Answer<answers.IntentionEntry[]>>;
  /** Whether the owner of the SPIFFE id `caller` may call `target`, and why. */
  authorize(target: string, caller: string, signal: AbortSignal): Promise<answers.Verdict>;
  roots(question: Question): Promise<Answer<answers.RootsAnswer>>;
  leaf(service: string, question: Question): Promise<Answer<answers.LeafAnswer>>;
  /** Names of all services. */
  names(signal: AbortSignal): Promise<string[]>;
  /** The service that the agent itself holds under `id`, or null. */
  own(id: string, signal: AbortSignal): Promise<answers.AgentService | null>;
  register(definition: ServiceDefinition, signal: AbortSignal): Promise<void>;
  deregister(id: string, signal: AbortSignal): Promise<void>;
  /** Reports a TTL check, on a connection of its own. */
  beat(check: string, passing: boolean, note: string, signal: AbortSignal): Promise<void>;
  maintenance(id: string, on: boolean, reason: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Milliseconds for an answer that does not hang. */
const answerMs = 10_000;
/** Milliseconds for a beat: a third of a short TTL, so that another try fits in. */
const beatMs = 3000;

/** Opens the door. Throws when the CA file cannot be read. Nothing is sent until the first question. */
export const openConsul = (
  settings: ConsulSettings,
  kit: Pick<Kit, 'wheel' | 'random' | 'meter'>,
): ConsulDoor => {
  const client = new ConsulClient(settings, kit, settings.caFile ? readCa(settings.caFile) : null);
  const reader = new AnswerReader({ kit, apartFrom: settings.apartFrom });
  // Consul 1.8 answers the match without an index, so that nobody could hang there; the whole list has one.
  let matchLacksIndex = false;
  const get = async <S extends keyof Shapes>(
    lane: Lane,
    path: string,
    params: Record<string, string>,
    shape: S,
    question: Question,
    query: Record<string, string> = {},
  ): Promise<Answer<Shapes[S]>> => {
    const { index, waitMs = 0, mode = 'default', signal } = question;
    const asked = { ...query };
    if (mode !== 'default') asked[mode] = '1';
    if (index !== undefined) Object.assign(asked, { index: String(index), wait: `${waitMs}ms` });
    // Consul adds up to a sixteenth of the wait by chance.
    const timeoutMs = answerMs + (index === undefined ? 0 : waitMs + waitMs / 16);
    const on = index === undefined ? 'ask' : lane;
    const response = await client.exchange({
      lane: on,
      method: 'GET',
      path,
      params,
      query: asked,
      timeoutMs,
      signal,
    });
    const place = `Consul at ${client.url}: GET /v1${path}`;
    const value = await reader.read(shape, response.body, place, signal);
    return { value, ...trust(response.headers, place) };
  };
  const put = async (
    lane: Lane,
    path: string,
    id: string,
    signal: AbortSignal,
    query = {},
    body?: unknown,
  ) => {
    const timeoutMs = lane === 'beat' ? beatMs : answerMs;
    await client.exchange({ lane, method: 'PUT', path, params: { id }, query, body, timeoutMs, signal });
  };
  return {
    url: client.url,
    polls: new Polls(kit.random),
    connect: (service, question) =>
      get('poll', '/health/connect/{service}', { service }, 'connect', question, {
        passing: '1',
      }),
    intentions: async (service, question) => {
      const query = { by: 'destination', name: service };
      const match = async (how: Question): Promise<Answer<answers.IntentionEntry[]>> => {
        const answer = await get('poll', '/connect/intentions/match', {}, 'intentions', how, query);
        return { ...answer, value: answer.value[service] ?? [] };
      };
      if (question.index === undefined || !matchLacksIndex) {
        const answer = await match(question);
        if (answer.index !== null) return answer;
        matchLacksIndex = true;
      }
      const table = await get('poll', '/connect/intentions', {}, 'nothing', question);
      const { value } = await match({ signal: question.signal, mode: question.mode });
      return { ...table, value };
    },
    authorize: async (target, caller, signal) => {
      const path = '/agent/connect/authorize';
      const body = { Target: target, ClientCertURI: caller, ClientCertSerial: '00' };
      const response = await client.exchange({
        lane: 'ask',
        method: 'POST',
        path,
        body,
        timeoutMs: answerMs,
        signal,
      });
      return reader.read('verdict', response.body, `Consul at ${client.url}: POST /v1${path}`, signal);
    },
    roots: (question) => get('poll', '/agent/connect/ca/roots', {}, 'roots', question),
    leaf: (service, question) =>
      get('poll', '/agent/connect/ca/leaf/{service}', { service }, 'leaf', question),
    names: async (signal) => {
      const question: Question = { signal, mode: 'stale' };
      return (await get('ask', '/catalog/services', {}, 'names', question)).value;
    },
    own: async (id, signal) => {
      try {
        return (await get('ask', '/agent/service/{id}', { id }, 'service', { signal })).value;
      } catch (error) {
        if (error instanceof ConsulError && error.status === 404) return null;
        throw error;
      }
    },
    // Checks that an earlier run registered under this id would stay, and never pass.
    register: (definition, signal) =>
      put('ask', '/agent/service/register', '', signal, { 'replace-existing-checks': 'true' }, definition),
    deregister: (id, signal) => put('ask', '/agent/service/deregister/{id}', id, signal),
    beat: (check, passing, note, signal) =>
      put(
        'beat',
        `/agent/check/${passing ? 'pass' : 'fail'}/{id}`,
        check,
        signal,
        note === '' ? {} : { note },
      ),
    maintenance: (id, on, reason, signal) =>
      put('ask', '/agent/service/maintenance/{id}', id, signal, {
        enable: String(on),
        ...(on ? { reason } : {}),
      }),
    close: () => {
      client.close();
      reader.close();
    },
  };
};

const readCa = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new Error(`the CA file of Consul cannot be read: ${reasonOf(thrown)}; give the path of a PEM file`);
  }
};

/** The largest index that Consul can mean: it counts in 64 bits. */
const largestIndex = 2n ** 64n - 1n;

const trust = (headers: IncomingHttpHeaders, place: string): Omit<Answer<never>, 'value'> => {
  const said = String(headers['x-consul-index'] ?? '0');
  const index = /^[0-9]{1,20}$/.test(said) ? BigInt(said) : -1n;
  if (index < 0n || index > largestIndex)
    throw new ConsulError('garbage', `${place}: X-Consul-Index '${said.slice(0, 40)}' is not an index`);
  return {
    index: index > 0n ? index : null,
    lastContactMs: Number(headers['x-consul-lastcontact'] ?? 0) || 0,
    knownLeader: headers['x-consul-knownleader'] !== 'false',
  };
};
