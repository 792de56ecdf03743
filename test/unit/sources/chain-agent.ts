import { openConsul } from '../../../sidecar/consul/door.ts';
import type { Slice } from '../../../sidecar/core/snapshot.ts';
import { consulSource } from '../../../sidecar/sources/consul.ts';
import type { Source } from '../../../sidecar/sources/source.ts';
import { chainOf, type Entry } from '../../support/chains.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';
import { instance, json, type ScriptedAgent, scriptedAgent } from '../consul/scripted-agent.ts';

/** A source of discovery, and the agent that it asks, which answers by what the test says. */
export interface ChainAgent {
  readonly kit: StillKit;
  readonly agent: ScriptedAgent;
  readonly source: Source;
  /** Hosts of the instances, by service, or by service and filter: `web?Service.Meta.version == 1`. */
  readonly hosts: Record<string, readonly string[]>;
  /** Config entries. */
  entries: readonly Entry[];
  /** Status with which chains are answered. */
  chainStatus: number;
  /** Questions that hang until `changed` although there is an answer, by the end of their path. */
  readonly slow: Set<string>;
  /** Services whose list is answered with 500. */
  readonly broken: Set<string>;
  readonly log: string[];
  /** Answers all that wait. */
  changed(): void;
  slice(): Slice;
  /** Questions about this path's end that did not hang. */
  asked(end: string): number;
  close(): Promise<void>;
}

/** Starts both. */
export const chainAgent = async (): Promise<ChainAgent> => {
  const log: string[] = [];
  const note = (fields: Readonly<Record<string, unknown>>, event: string): void =>
    void log.push(`${String(fields['service'] ?? fields['about'])}: ${event}`);
  const kit = { ...stillKit(), log: { debug: () => {}, info: () => {}, warn: note, error: note } };
  let waiting: (() => void)[] = [];
  let index = 10;
  const agent = await scriptedAgent((request, response) => {
    const name = request.path.split('/').at(-1)!;
    const filter = request.query.get('filter');
    const key = filter === null ? name : `${name}?${filter}`;
    const isChain = request.path.startsWith('/v1/discovery-chain/');
    const answer = (): void => {
      const headers = { 'x-consul-index': String(index) };
      if (isChain && state.chainStatus !== 200) json(response, 'no', headers, state.chainStatus);
      else if (isChain) {
        // Only what is read of it, without undefined words.
        json(response, { Chain: chainOf(name, ...state.entries) }, headers);
      } else if (state.broken.has(name)) json(response, 'No path to datacenter', headers, 500);
      else if (request.path.startsWith('/v1/health/connect/'))
        json(
          response,
          (state.hosts[key] ?? []).map((host) => instance(host, 15002, name)),
          headers,
        );
      else json(response, {}, headers);
    };
    const at = request.query.get('index');
    if ((at !== null && Number(at) >= index) || state.slow.has(key)) waiting.push(answer);
    else answer();
  });
  const door = openConsul({ url: agent.url }, kit);
  const stop = new AbortController();
  const source = consulSource({
    door,
    service: null,
    kit,
    signal: stop.signal,
    patternFault: () => null,
  });
  const state: ChainAgent = {
    kit,
    agent,
    source,
    hosts: {},
    entries: [],
    chainStatus: 200,
    slow: new Set(),
    broken: new Set(),
    log,
    changed: () => {
      index++;
      for (const answer of waiting.splice(0)) answer();
    },
    slice: () => source.slice.value,
    asked: (end) => agent.seen.filter(({ path, query }) => path.endsWith(end) && !query.has('index')).length,
    close: async () => {
      stop.abort();
      waiting = [];
      door.close();
      await agent.close();
    },
  };
  return state;
};
