import { X509Certificate } from 'node:crypto';
import { join } from 'node:path';
import { type Child, startChild } from './child.ts';
import { guarded, outriggerArguments } from './programs.ts';

/** The development agent as a process, and what the demo asks of it by Consul's own API. */
export interface Agent {
  readonly url: string;
  readonly child: Child;
  /** SIGKILL. */
  kill(): void;
  /** Starts it again at the same port, with nothing in its memory. */
  restart(): Promise<void>;
  /** How many instances of a service are well. */
  passing(service: string): Promise<number>;
  deny(from: string, to: string): Promise<void>;
  allow(from: string, to: string): Promise<void>;
  /** Puts a policy for a service into KV, or takes it away. */
  policy(service: string, words: object | null): Promise<void>;
  /** Replaces the root of the certificate authority. */
  rotateRoot(): Promise<void>;
  /** The root that signs now. */
  activeRoot(): Promise<X509Certificate>;
}

const startMs = 15_000;

/** Starts the agent on a free port of this machine; its logs go to `folder`. */
export const startAgentProcess = async (folder: string, env: NodeJS.ProcessEnv): Promise<Agent> => {
  let starts = 0;
  const start = async (port: string): Promise<{ child: Child; url: string }> => {
    const log = join(folder, `agent.${++starts}.log`);
    const started = startChild(guarded(outriggerArguments('agent', '--port', port)), env, log);
    const [, at] = await started.said(/development agent on (http:\/\/\S+)/, startMs);
    return { child: started, url: at! };
  };
  let { child, url } = await start('0');

  const ask = async (method: string, path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${url}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`the agent answered ${method} ${path} with ${response.status}: ${text}`);
    return text === '' ? null : JSON.parse(text);
  };
  const intention = (from: string, to: string): string =>
    `/v1/connect/intentions/exact?source=${from}&destination=${to}`;

  return {
    get url() {
      return url;
    },
    get child() {
      return child;
    },
    kill: () => child.kill(),
    restart: async () => {
      await child.end(0);
      ({ child, url } = await start(new URL(url).port));
    },
    passing: async (service) =>
      ((await ask('GET', `/v1/health/connect/${service}?passing`)) as unknown[]).length,
    deny: async (from, to) => void (await ask('PUT', intention(from, to), { Action: 'deny' })),
    allow: async (from, to) => void (await ask('DELETE', intention(from, to))),
    policy: async (service, words) => {
      const path = `/v1/kv/outrigger/policy/${service}`;
      await (words === null ? ask('DELETE', path) : ask('PUT', path, words));
    },
    rotateRoot: async () =>
      void (await ask('PUT', '/v1/connect/ca/configuration', {
        Provider: 'consul',
        Config: { LeafCertTTL: '72h' },
      })),
    activeRoot: async () => {
      const { Roots } = (await ask('GET', '/v1/connect/ca/roots')) as {
        Roots: { Active: boolean; RootCert: string }[];
      };
      return new X509Certificate(Roots.find(({ Active }) => Active)!.RootCert);
    },
  };
};
