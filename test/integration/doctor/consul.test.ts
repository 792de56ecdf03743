import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Clinic, clinic, echoOn, webOn } from '../../support/doctor.ts';
import { freePorts } from '../../support/free-ports.ts';

const { examine, folder, http, mesh, tcp }: Clinic = clinic();

/** An agent that says only this; everything else is not found. */
const saying = async (
  answers: Readonly<Record<string, unknown>>,
  date: string | null = null,
): Promise<string> => {
  const port = await http((request, response) => {
    const path = request.url!.replace(/^\/v1|\?.*$/g, '');
    if (date !== null) response.setHeader('date', date);
    if (path in answers) return response.end(JSON.stringify(answers[path]));
    response.statusCode = 404;
    response.end();
  });
  return `http://127.0.0.1:${port}`;
};

describe('the agent', () => {
  it('is not there', async () => {
    const { code, causes, remedies } = await examine(webOn('http://127.0.0.1:1'));
    expect(code).toBe(1);
    expect(causes).toEqual([
      'agent: the Consul agent does not answer: Consul at http://127.0.0.1:1: GET /v1/status/leader: connect ECONNREFUSED 127.0.0.1:1',
    ]);
    expect(remedies).toEqual([
      'start an agent there (consul agent -dev; outrigger agent), or correct discovery.consul.url (--consul, CONSUL_HTTP_ADDR)',
    ]);
  });

  it('is something else', async () => {
    const { causes } = await examine(webOn(await saying({})));
    expect(causes[0]).toContain('is no Consul agent');
  });

  it('does not speak HTTPS', async () => {
    const { url } = await mesh();
    const { causes, remedies } = await examine(webOn(url.replace('http:', 'https:')));
    expect(causes[0]).toBe(`agent: ${url.replace('http:', 'https:')} does not speak HTTPS`);
    expect(remedies[0]).toContain('write http:// in');
  });

  it('never answers', async () => {
    const port = await tcp();
    const begun = performance.now();
    const { causes } = await examine(webOn(`http://127.0.0.1:${port}`));
    expect(performance.now() - begun).toBeLessThan(6000);
    expect(causes).toEqual([
      `agent: the Consul agent does not answer: Consul at http://127.0.0.1:${port}: no answer within 4 s`,
    ]);
  });

  it('has no leader', async () => {
    const { causes } = await examine(webOn(await saying({ '/status/leader': '' })));
    expect(causes[0]).toMatch(
      /^agent: Consul at http:.* has no leader: nothing new can be written or signed$/,
    );
  });

  it('is asked with a CA file or a token file that cannot be read', async () => {
    const withFile = (key: string): string => webOn(`https://127.0.0.1:1, ${key}: ${folder}/none`);
    expect((await examine(withFile('ca-file'))).causes).toEqual([
      `agent: discovery.consul.ca-file cannot be read: ENOENT: no such file or directory, open '${folder}/none'; give the path of a PEM file`,
    ]);
    expect((await examine(withFile('token-file'))).causes).toEqual([
      `agent: discovery.consul.token-file: ENOENT: no such file or directory, open '${folder}/none'`,
    ]);
  });

  it('is too old', async () => {
    const members = [{ Addr: '127.0.0.1', Tags: { role: 'consul', build: '1.6.10:abc' } }];
    const url = await saying({ '/status/leader': '127.0.0.1:8300', '/agent/members': members });
    expect((await examine(webOn(url))).causes).toContain(
      `agent-version: ${url} belongs to a cluster with Consul 1.6.10: 1.8 is the oldest that works`,
    );
  });

  it('has another clock', async () => {
    const date = new Date(Date.now() + 120_000).toUTCString();
    const url = await saying({ '/status/leader': '127.0.0.1:8300' }, date);
    const { causes, remedies } = await examine(webOn(url));
    expect(causes.find((cause) => cause.startsWith('clock'))).toMatch(
      /^clock: this machine's clock is 1[12]\d s behind the agent's: certificates are not valid yet, or not any more$/,
    );
    expect(remedies).toContain('let both keep time (timedatectl set-ntp true, or chronyd)');
  });

  it('gives certificates that are not valid yet by this clock', async () => {
    const { url } = await mesh();
    const change = (world: object): never => ({ ...world, wall: () => Date.now() - 600_000 }) as never;
    const { causes } = await examine(webOn(url), { change });
    expect(causes.map((cause) => cause.replace(/ before .*/, ''))).toContain(
      "certificate: the certificate of 'web' from Consul is not valid",
    );
    expect(causes.some((cause) => cause.startsWith('clock: '))).toBe(true);
  });

  it('is a server elsewhere', async () => {
    const { url } = await mesh();
    // This machine with other addresses, as a sidecar without an agent of its own sees the server.
    const change = (world: { ask: (path: string) => Promise<unknown> }): never =>
      ({
        ...world,
        isOwn: () => false,
        ask: async (path: string) =>
          path === '/agent/members'
            ? [{ Addr: '127.0.0.1', Tags: { role: 'consul', build: '1.8.7:' } }]
            : world.ask(path),
      }) as never;
    expect((await examine(webOn(url), { change })).causes).toEqual([
      `agent-place: ${url} is a Consul server elsewhere, not the agent of this machine: agentless Consul is not supported`,
    ]);
  });
});

describe('what Consul holds', () => {
  it('has a router over a protocol that is not gRPC', async () => {
    const { url, api } = await mesh();
    await api.put('/v1/config', { Kind: 'service-defaults', Name: 'echo', Protocol: 'http' });
    await api.put('/v1/config', { Kind: 'service-router', Name: 'echo', Routes: [] });
    const { causes } = await examine(webOn(url));
    expect(causes).toEqual([
      "protocol: 'echo' has a service-router, but its protocol is 'http': proxies of Consul would speak HTTP/1.1 to it",
    ]);
    await api.put('/v1/config', { Kind: 'service-defaults', Name: 'echo', Protocol: 'grpc' });
    expect((await examine(webOn(url))).causes).toEqual([]);
  });

  it('has a policy that does not parse', async () => {
    const { url, api } = await mesh();
    await api.put('/v1/kv/outrigger/policy/echo', '{ "retri": 1 }');
    const { causes, remedies } = await examine(webOn(url));
    expect(causes).toEqual([
      expect.stringMatching(/^policy: the policy in KV does not parse: outrigger\/policy\/echo:1:3: /),
    ]);
    expect(remedies).toEqual(['mend the file, and: consul kv put outrigger/policy/echo @FILE']);
  });

  it('has a policy for all services that does not parse, and one that is too long', async () => {
    const { url, api } = await mesh();
    await api.put('/v1/kv/outrigger/policy/*', 'tmeout: 3s');
    await api.put('/v1/kv/outrigger/policy/web', `timeout: 3s #${'x'.repeat(5000)}`);
    expect((await examine(webOn(url))).causes).toEqual([
      expect.stringMatching(/^policy: .* outrigger\/policy\/\*:1:1: unknown key 'tmeout'/),
      expect.stringMatching(/^policy: .* outrigger\/policy\/web: is 5013 bytes long, a policy may have 4096/),
    ]);
  });

  it('has another sidecar before the same app', async () => {
    const { url, app, echo } = await mesh();
    const { causes } = await examine(echoOn(url, app.port).replace('name: echo', 'name: other'));
    const id = `echo-127.0.0.1-${echo.ports.peers!.split(':')[1]}-sidecar-proxy`;
    expect(causes).toEqual([
      `twins: two sidecars for one port: ${id} stands before 127.0.0.1:${app.port} as 'echo'`,
    ]);
  });
});

describe('advertise', () => {
  it('leads nowhere, to somebody else, or home', async () => {
    const { url, app } = await mesh();
    const stranger = await tcp();
    const at = async (port: number, peers: number) =>
      examine(
        echoOn(url, app.port, `advertise: 127.0.0.1:${port}`).replace(
          'peers: 127.0.0.1:0',
          `peers: 127.0.0.1:${peers}`,
        ),
      );
    const [free] = (await freePorts(1)) as [number];
    expect((await at(1, free)).causes).toEqual([
      'advertise: nobody reaches our peers port where we say it is, 127.0.0.1:1: nobody listens there',
    ]);
    expect((await at(stranger, free)).causes).toEqual([
      `advertise: nobody reaches our peers port where we say it is, 127.0.0.1:${stranger}: somebody else answers there`,
    ]);
    expect((await at(free, free)).causes).toEqual([]);
  });
});

describe('the address in Consul', () => {
  it('does not lead to us', async () => {
    const { url, api, app } = await mesh();
    await api.put('/v1/agent/service/register', {
      ...{ ID: 'echo-1-sidecar-proxy', Name: 'echo-sidecar-proxy', Kind: 'connect-proxy', Port: 1 },
      Proxy: { DestinationServiceName: 'echo' },
    });
    expect((await examine(echoOn(url, app.port))).causes).toEqual([
      "registered: Consul sends the callers of 'echo' to 127.0.0.1:1, where it is not reached: nobody listens there",
    ]);
  });
});

describe('a token', () => {
  it('in an agent that asks for none is no fault', async () => {
    const { url } = await mesh();
    writeFileSync(join(folder, 'token'), 'anything');
    expect(
      (await examine(webOn(url), { env: { CONSUL_HTTP_TOKEN_FILE: join(folder, 'token') } })).causes,
    ).toEqual([]);
  });
});
