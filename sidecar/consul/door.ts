import type { IncomingHttpHeaders } from 'node:http';
import type { Kit } from '../core/kit.ts';
import type * as answers from './answers.ts';
import { callerUri } from './caller-uri.ts';
import type { ChainAnswer } from './chain-answer.ts';
import { ConsulClient, type ConsulSettings } from './client.ts';
import { ConsulError } from './errors.ts';
import type { Lane } from './exchange.ts';
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
  /** Answer from what the agent keeps, and keeps fresh by itself; not with `index`. */
  readonly cached?: boolean | undefined;
  /** Remembers each answer's octets and what they said, so that the same ones are not read twice. */
  readonly seen?: Map<string, { readonly octets: Uint8Array; readonly value: unknown }> | undefined;
}

/** An answer, and how far it can be trusted. */
export interface Answer<T> {
  readonly value: T;
  /** Where to go on from; null when the agent said none, or 0. */
  readonly index: bigint | null;
  /** Milliseconds since the answering server last heard from the leader. */
  readonly lastContactMs: number;
  readonly knownLeader: boolean;
  /**
   * Milliseconds for which the agent could not freshen what it keeps, 0 while it can; absent when the answer is not
   * from what it keeps.
   */
  readonly cachedForMs?: number | undefined;
}

/** A registration as the agent takes it. Ref: "Register Service" of Consul's agent API. */
export type ServiceDefinition = Readonly<Record<string, unknown>>;

/** All that is asked of a Consul agent, in our words. Every method rejects with a ConsulError alone. */
export interface ConsulDoor {
  readonly url: string;
  /** The places for questions that hang; shared by all watches of this sidecar. */
  readonly polls: Polls;
  /** Instances of `service` that speak Connect and pass their checks; `part` narrows it to some of them. */
  connect(service: string, question: Question, part?: ConnectPart): Promise<Answer<answers.ConnectEntry[]>>;
  /** How calls to `service` are routed, split and resolved. */
  chain(service: string, question: Question): Promise<Answer<ChainAnswer>>;
  /** Intentions whose destination is `service`. */
  intentions(service: string, question: Question): Promise<Answer<answers.IntentionEntry[]>>;
  /** Whether the service `caller` may call `target`, and why. */
  authorize(target: string, caller: string, signal: AbortSignal): Promise<answers.Verdict>;
  roots(question: Question): Promise<Answer<answers.RootsAnswer>>;
  leaf(service: string, question: Question): Promise<Answer<answers.LeafAnswer>>;
  /** The keys that begin with `prefix` and their values, in the order of the keys; empty when there are none. */
  kv(prefix: string, question: Question): Promise<Answer<answers.KvEntry[]>>;
  /** Names of all services. */
  names(signal: AbortSignal): Promise<string[]>;
  /** The service that the agent itself holds under `id`, or null. */
  own(id: string, signal: AbortSignal): Promise<answers.AgentService | null>;
  register(definition: ServiceDefinition, signal: AbortSignal): Promise<void>;
  deregister(id: string, signal: AbortSignal): Promise<void>;
  /** Reports a TTL check, on a connection of its own. */
  beat(check: string, passing: boolean, note: string, signal: AbortSignal): Promise<void>;
  maintenance(id: string, on: boolean, reason: string, signal: AbortSignal): Promise<void>;
  /** Any question, unchecked: the status and the text of its answer. For what only the rights and the doctor ask. */
  look(path: string, signal: AbortSignal, body?: unknown): Promise<Looked>;
  close(): void;
}

/** Which instances of a service; an empty word: all of them. */
export interface ConnectPart {
  /** An expression on their registrations. Ref: Consul API, "Filtering". */
  readonly filter: string;
  /** Another datacenter than the agent's. */
  readonly dc: string;
}

/** What `look` was answered. Rejects with a ConsulError only where there was no answer. */
export interface Looked {
  readonly status: number;
  /** What a refusal says, or the body. */
  readonly text: string;
  /** Wall-clock milliseconds on the agent's side, to the second; null when it does not say. */
  readonly date: number | null;
}

/** Milliseconds for an answer that does not hang. */
const answerMs = 10_000;
/** Milliseconds for a beat: a third of a short TTL, so that another try fits in. */
const beatMs = 3000;
/** Bytes of an answer that a watch remembers at most; a larger one is read each time. */
const mostSeen = 64 * 1024;

/** Opens the door. Throws when a file for HTTPS cannot be read. Nothing is sent until the first question. */
export const openConsul = (
  settings: ConsulSettings,
  kit: Pick<Kit, 'wheel' | 'random' | 'meter'>,
): ConsulDoor => {
  const client = new ConsulClient(settings, kit);
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
    const { index, waitMs = 0, mode = 'default', cached = false, seen, signal } = question;
    const asked = { ...query };
    if (mode !== 'default') asked[mode] = '1';
    if (cached) asked['cached'] = '1';
    if (index !== undefined) Object.assign(asked, { index: String(index), wait: `${waitMs}ms` });
    // Consul adds up to a sixteenth of the wait by chance.
    const timeoutMs = answerMs + (index === undefined ? 0 : waitMs + waitMs / 16);
    const response = await client.exchange({
      lane: laneOf(lane, question),
      method: 'GET',
      path,
      params,
      query: asked,
      mayLack: shape === 'kv',
      timeoutMs,
      signal,
    });
    const place = `Consul at ${client.url}: GET /v1${path}`;
    const trusted = trust(response.headers, place, cached);
    // Only a list may lack: it is empty then.
    if (response.status === 404) return { value: [] as unknown as Shapes[S], ...trusted };
    const { body } = response;
    if (seen === undefined || body.length > mostSeen)
      return { value: await reader.read(shape, body, place, signal), ...trusted };
    const { octets } = body;
    const key = `${path} ${params['service'] ?? ''} ${query['dc'] ?? ''} ${query['filter'] ?? ''}`;
    const before = seen.get(key);
    if (before !== undefined && Buffer.compare(before.octets, octets) === 0)
      return { value: before.value as Shapes[S], ...trusted };
    const value = await reader.read(shape, body, place, signal);
    seen.set(key, { octets, value });
    return { value, ...trusted };
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
    connect: (service, question, { filter, dc } = { filter: '', dc: '' }) =>
      get('poll', '/health/connect/{service}', { service }, 'connect', question, {
        passing: '1',
        ...(filter !== '' && { filter }),
        ...(dc !== '' && { dc }),
      }),
    chain: (service, question) => get('poll', '/discovery-chain/{service}', { service }, 'chain', question),
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
      const body = { Target: target, ClientCertURI: callerUri(caller), ClientCertSerial: '00' };
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
    kv: (prefix, question) => get('poll', '/kv/{prefix}', { prefix }, 'kv', question, { recurse: '1' }),
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
    look: (path, signal, body) => look(client, path, signal, body),
    close: () => {
      client.close();
      reader.close();
    },
  };
};

/** What does not hang needs no place to hang at. */
const laneOf = (lane: Lane, { index, cached }: Question): Lane => {
  if (lane !== 'poll' || index !== undefined) return lane;
  return cached === true ? 'cache' : 'look';
};

const look = async (
  client: ConsulClient,
  path: string,
  signal: AbortSignal,
  body?: unknown,
): Promise<Looked> => {
  const method = body === undefined ? 'GET' : 'POST';
  try {
    const [plain = '', query = ''] = path.split('?');
    const asked = {
      ...({ lane: 'ask', method, path: plain, timeoutMs: answerMs, signal } as const),
      query: Object.fromEntries(new URLSearchParams(query)),
      ...(body === undefined ? {} : { body }),
    };
    const response = await client.exchange(asked);
    return { status: 200, text: response.body.text, date: Date.parse(response.headers.date ?? '') || null };
  } catch (thrown) {
    if (!(thrown instanceof ConsulError) || thrown.failure !== 'status') throw thrown;
    return { status: thrown.status, text: thrown.message, date: null };
  }
};

/** The largest index that Consul can mean: it counts in 64 bits. */
const largestIndex = 2n ** 64n - 1n;

const trust = (
  headers: IncomingHttpHeaders,
  place: string,
  cached: boolean,
): Omit<Answer<never>, 'value'> => {
  const said = String(headers['x-consul-index'] ?? '0');
  const index = /^[0-9]{1,20}$/.test(said) ? BigInt(said) : -1n;
  if (index < 0n || index > largestIndex)
    throw new ConsulError('garbage', `${place}: X-Consul-Index '${said.slice(0, 40)}' is not an index`);
  return {
    index: index > 0n ? index : null,
    lastContactMs: Number(headers['x-consul-lastcontact'] ?? 0) || 0,
    knownLeader: headers['x-consul-knownleader'] !== 'false',
    // An agent whose cache is switched off says nothing of it.
    ...(cached && headers['x-cache'] !== undefined && { cachedForMs: (Number(headers['age']) || 0) * 1000 }),
  };
};
