import { afterEach } from 'vitest';
import { type AgentOptions, type DevelopmentAgent, startAgent } from '../../sidecar/consul-dev/index.ts';
import { type Api, apiOf } from './consul-api.ts';

/** A development agent of one test, and its API. */
export interface RunningAgent {
  readonly agent: DevelopmentAgent;
  readonly api: Api;
}

/** How a test file starts development agents: each is closed after the test that started it. */
export const developmentAgents = (): ((options?: AgentOptions) => Promise<RunningAgent>) => {
  const closing: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of closing.splice(0)) await close();
  });
  return async (options = {}) => {
    const agent = await startAgent(options);
    closing.push(agent.close);
    return { agent, api: apiOf(agent.url) };
  };
};

/** Until `count` queries have arrived and wait. */
export const queriesWait = async (agent: DevelopmentAgent, count = 1): Promise<void> => {
  while (agent.waiting !== count) await new Promise((resolve) => setImmediate(resolve));
};
