import { createServer, request, type ServerResponse } from 'node:http';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { outageMesh } from '../../support/outage-mesh.ts';
import { metric } from '../../support/outages.ts';
import { atRate, patientMs } from '../../support/steady-load.ts';

const ends: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of ends.splice(0).reverse()) await each.close();
});

type Answer = (response: ServerResponse) => void;

const entries = (address: string, port: number): string =>
  JSON.stringify([
    {
      Node: { Node: 'n', Address: '127.0.0.1' },
      Service: {
        ...{ ID: 'x', Service: 'echo-sidecar-proxy', Kind: 'connect-proxy', Address: address, Port: port },
        Proxy: { DestinationServiceName: 'echo' },
      },
      Checks: [],
    },
  ]);

const say =
  (body: string, index = '99999', status = 200): Answer =>
  (response) =>
    void response.writeHead(status, { 'x-consul-index': index }).end(body);

/** What an agent that is broken, or taken over, may answer to a question for instances. */
const hostile: readonly [string, Answer][] = [
  ['500 with an index of 1', say('no leader', '1', 500)],
  ['429', say('Too many requests', '5', 429)],
  ['an index of 0', say('[]', '0')],
  ['an index of -1', say('[]', '-1')],
  ['an index of 10^30', say('[]', `1${'0'.repeat(30)}`)],
  ['HTML', say('<html>please log in</html>')],
  ['null', say('null')],
  ['an object', say('{"a":1}')],
  [
    'half of an answer',
    (response) => void response.writeHead(200, { 'content-length': '999' }).write('[{"Node"'),
  ],
  [
    'an answer that breaks off',
    (response) => void response.writeHead(200).write('[{', () => response.destroy()),
  ],
  ['50 MB', (response) => void response.writeHead(200).end(Buffer.alloc(50 * 1024 * 1024, 0x20))],
  ['a port of 70000', say(entries('127.0.0.1', 70_000))],
  ['the address of the metadata service', say(entries('169.254.169.254', 80))],
  ['an address that is none', say(entries('not an address!', 80))],
];

describe('an agent that answers what it must not', () => {
  it('takes nothing away and brings nothing in: every call goes to the instances of before', async () => {
    const agent = await startAgent();
    ends.push(agent);
    let answer: Answer | null = null;
    let told = 0;
    let passed = 0;
    const liar = createServer((asked, response) => {
      if (answer !== null && asked.url!.startsWith('/v1/health/connect/')) {
        told++;
        answer(response);
        return;
      }
      const { method, headers, url } = asked;
      if (url!.startsWith('/v1/health/connect/')) passed++;
      const passedOn = request(`${agent.url}${url}`, { method, headers }, (given) => {
        response.writeHead(given.statusCode!, given.headers);
        given.pipe(response);
      });
      passedOn.on('error', () => response.destroy());
      response.on('close', () => passedOn.destroy());
      asked.pipe(passedOn);
    }).listen(0, '127.0.0.1');
    await new Promise((ready) => liar.once('listening', ready));
    const close = (): void => {
      liar.closeAllConnections();
      liar.close();
    };
    ends.push({ close });
    const callerUrl = `http://127.0.0.1:${(liar.address() as { port: number }).port}`;
    const mesh = await outageMesh({ url: agent.url, callerUrl });
    ends.push(mesh);
    const before = mesh.caller.snapshot().services.get('echo')!.endpoints;
    const load = atRate(mesh.client, 100, patientMs);
    ends.push({ close: () => load.stop() });
    for (const [what, how] of hostile) {
      answer = how;
      const heard = told;
      // Those that hang are told now; the next question follows by itself.
      liar.closeAllConnections();
      const end = Date.now() + 8000;
      while (told === heard && Date.now() < end) await new Promise((next) => setTimeout(next, 10));
      expect(told, what).toBeGreaterThan(heard);
      await new Promise((next) => setTimeout(next, 150));
      expect(mesh.caller.snapshot().services.get('echo')!.endpoints, what).toEqual(before);
      answer = null;
      // One good answer, so that the watch does not wait longer from lie to lie.
      const good = passed;
      while (passed === good && Date.now() < end) await new Promise((next) => setTimeout(next, 10));
    }
    await load.stop();
    expect(load.complaints).toEqual([]);

    // What is well-formed is believed, but who cannot prove the name is not called: not even we ourselves, in a circle.
    answer = say(entries('127.0.0.1', Number(mesh.caller.ports.app.split(':')[1])));
    // A change wakes the question that hangs; the one after it is told the lie.
    const [proxy] = Object.keys(
      (await (await fetch(`${agent.url}/v1/agent/services`)).json()) as object,
    ).filter((id) => id.endsWith('-sidecar-proxy'));
    await fetch(`${agent.url}/v1/agent/service/maintenance/${proxy}?enable=true`, { method: 'PUT' });
    const self = (): boolean =>
      mesh.caller.endpoints().some(({ address }) => address === mesh.caller.ports.app);
    const end = Date.now() + 20_000;
    while (!self() && Date.now() < end) await new Promise((next) => setTimeout(next, 20));
    expect(self()).toBe(true);
    const begin = performance.now();
    expect((await mesh.client.call('Unary', 'm')).code).toBe(grpc.status.UNAVAILABLE);
    expect(performance.now() - begin).toBeLessThan(2000);
    expect(load.codes.length).toBeGreaterThan(200);
    expect(metric(mesh.caller.metrics().text, 'outrigger_consul_failures_total')).toBeGreaterThan(8);
  }, 180_000);
});
