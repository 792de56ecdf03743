import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** One request as it came. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly token: string;
  readonly body: unknown;
  readonly socket: Socket;
}

/** How the agent answers one request; what it does not end hangs. */
export type Script = (request: Seen, response: ServerResponse) => void;

/** An HTTP agent on loopback that answers what the test says, however wrong. */
export interface ScriptedAgent {
  readonly url: string;
  readonly seen: Seen[];
  script: Script;
  close(): Promise<void>;
}

/** Answers JSON, with a good index unless told otherwise. */
export const json = (
  response: ServerResponse,
  value: unknown,
  headers: Record<string, string> = {},
  status = 200,
): void => {
  response.writeHead(status, { 'content-type': 'application/json', 'x-consul-index': '10', ...headers });
  response.end(JSON.stringify(value));
};

/** Starts one on a free port. */
export const scriptedAgent = async (script: Script): Promise<ScriptedAgent> => {
  const agent: { url: string; seen: Seen[]; script: Script; close: () => Promise<void> } = {
    url: '',
    seen: [],
    script,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  const server: Server = createServer(async (request: IncomingMessage, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { pathname, searchParams } = new URL(request.url!, 'http://agent');
    const seen: Seen = {
      method: request.method!,
      path: pathname,
      query: searchParams,
      token: String(request.headers['x-consul-token'] ?? ''),
      body: text === '' ? undefined : JSON.parse(text),
      socket: request.socket,
    };
    agent.seen.push(seen);
    agent.script(seen, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  agent.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return agent;
};

/** An instance in the shape of `/v1/health/connect`. */
export const instance = (host: string, port: number, service = 'inventory'): object => ({
  Node: { Node: 'n1', Address: '127.0.0.1' },
  Service: {
    ID: `${service}-${port}-sidecar-proxy`,
    Service: `${service}-sidecar-proxy`,
    Kind: 'connect-proxy',
    Address: host,
    Port: port,
    Proxy: { DestinationServiceName: service },
  },
  Checks: [],
});
