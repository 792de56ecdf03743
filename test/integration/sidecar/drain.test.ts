import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { startSidecar } from '../../../sidecar/index.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { Flag, FrameType, preface } from '../../../wire/frames.ts';
import { startEcho } from '../../support/echo.ts';
import { EchoClient } from '../../support/echo-client.ts';
import {
  frame,
  type RawFrame,
  RawPeer,
  request,
  settings,
  settingsAck,
  until,
} from '../../support/raw-http2.ts';
import { sumOf, twoSidecars } from '../../support/sidecars.ts';

describe('a sidecar that drains', () => {
  it('says GOAWAY in two steps, so that what is under way is not lost', async () => {
    const mesh = await twoSidecars();
    const files = await mesh.certificates.write('peer', { service: 'peer' });
    const port = Number(mesh.callees[0]!.ports.peers!.split(':')[1]);
    const socket = tls.connect({
      port,
      host: '127.0.0.1',
      cert: readFileSync(files.cert),
      key: readFileSync(files.key),
      ca: readFileSync(files.ca),
      ALPNProtocols: ['h2'],
      checkServerIdentity: () => undefined,
    });
    await once(socket, 'secureConnect');
    const peer = new RawPeer(socket, 0);
    const goaways = (): RawFrame[] => peer.of(FrameType.GOAWAY);
    const pings = (): RawFrame[] => peer.of(FrameType.PING).filter(({ flags }) => flags === 0);
    peer.send(preface, settings(), settingsAck, request(1, false));
    await peer.settle();
    const drained = mesh.callees[0]!.drain();
    await until(() => goaways().length === 1 && pings().length > 0, 'the first step');
    expect(goaways()[0]!.payload.readUInt32BE(0)).toBe(0x7fff_ffff);
    expect(peer.goawayCode).toBe(0);
    // Sent before the first step was heard of: still taken.
    peer.send(request(3, false));
    peer.send(frame(FrameType.PING, Flag.ACK, 0, pings()[0]!.payload));
    await until(() => goaways().length === 2, 'the second step');
    expect(goaways()[1]!.payload.readUInt32BE(0)).toBe(3);
    // Too late: not answered, and known not to be.
    peer.send(request(5, true));
    // What was under way ends as it would have: the app says what it thinks of an unknown method.
    for (const id of [1, 3]) peer.send(frame(FrameType.DATA, Flag.END_STREAM, id));
    await until(() => [1, 3].every((id) => peer.of(FrameType.HEADERS, id).length > 0), 'two answers');
    await drained;
    await peer.gone();
    expect(peer.of(FrameType.HEADERS, 5)).toEqual([]);
    await mesh.close();
  });

  it('loses no call of a load on two instances, and finishes the streams that it has', async () => {
    const mesh = await twoSidecars({ instances: 2, caller: { balance: 'round-robin' } });
    const streams = [mesh.client.bidi(), mesh.client.bidi()];
    for (const { call } of streams) call.write(Buffer.from('before'));
    await Promise.all(streams.map(({ headers }) => headers));
    const codes: number[] = [];
    let going = true;
    const load = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (going) codes.push((await mesh.client.call('Unary', 'm')).code);
      }),
    );
    await until(() => codes.length > 30, 'calls before');
    const drained = mesh.callees[0]!.drain();
    const at = codes.length;
    await until(() => codes.length > at + 100, 'calls during the drain');
    for (const { call } of streams) {
      call.write(Buffer.from('during'));
      call.end();
    }
    const ended = await Promise.all(streams.map((stream) => stream.ended));
    await drained;
    going = false;
    await load;
    expect(ended.map(({ code }) => code)).toEqual([grpc.status.OK, grpc.status.OK]);
    expect(streams.map(({ messages }) => messages.map(String))).toEqual([
      ['before', 'during'],
      ['before', 'during'],
    ]);
    expect(codes.filter((code) => code !== grpc.status.OK)).toEqual([]);
    expect(sumOf(mesh.caller, 'outrigger_links_lost_total')).toBe(0);
    await mesh.close();
  });

  it('ends what does not end in time', async () => {
    const mesh = await twoSidecars({ callee: { drain: { calls: '200ms' } } });
    const { ended } = mesh.client.begin('Slow', 'stuck');
    await until(() => mesh.apps[0]!.seen.length === 1, 'the call at the app');
    await mesh.callees[0]!.drain();
    expect((await ended).code).toBe(grpc.status.UNAVAILABLE);
    await mesh.close();
  });
});

describe('SIGTERM to `outrigger sidecar`', () => {
  it('maintenance first, then what is in flight, outbound open meanwhile, then gone with exit code 0', async () => {
    const agent = await startAgent();
    const app = await startEcho();
    const directory = await mkdtemp(join(tmpdir(), 'outrigger-drain-'));
    const words = (service: object): string =>
      JSON.stringify({
        service,
        listen: {
          app: '127.0.0.1:0',
          admin: '127.0.0.1:0',
          control: 'none',
          ...('port' in service && { peers: '127.0.0.1:0' }),
        },
        discovery: { consul: { url: agent.url } },
      });
    await writeFile(join(directory, 'echo.yaml'), words({ name: 'echo', port: app.port }));
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', 'sidecar/cli/main.ts', 'sidecar', '--config', join(directory, 'echo.yaml')],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const exited = once(child, 'exit');
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    const web = await startSidecar(readSettings(words({ name: 'web' }), 'web.yaml', directory).settings);
    const clients: EchoClient[] = [];
    const connect = (target: string, authority: string): EchoClient => {
      const client = new EchoClient(target, { 'grpc.default_authority': authority });
      clients.push(client);
      return client;
    };
    const passing = async (): Promise<number> =>
      ((await (await fetch(`${agent.url}/v1/health/connect/echo?passing`)).json()) as unknown[]).length;
    const services = async (): Promise<number> =>
      Object.keys((await (await fetch(`${agent.url}/v1/agent/services`)).json()) as object).length;
    const eventually = async (what: string, holds: () => Promise<boolean>): Promise<void> => {
      const end = Date.now() + 10_000;
      while (!(await holds()))
        if (Date.now() > end) throw new Error(`waited ten seconds for ${what}; the sidecar said ${said}`);
    };
    try {
      await web.ready;
      await eventually('a passing instance', async () => (await passing()) === 1);
      const stream = connect(web.ports.app, 'echo').bidi();
      stream.call.write(Buffer.from('before'));
      await once(stream.call, 'data');

      child.kill('SIGTERM');
      await eventually('maintenance', async () => (await passing()) === 0);
      // The stream that was there goes on, and so do calls from the app to its peers.
      stream.call.write(Buffer.from('during'));
      await once(stream.call, 'data');
      const listening = /"app":"([^"]+)"/.exec(said)![1]!;
      const outward = connect(listening, 'nobody');
      const unknown = "no service 'nobody' has been seen";
      expect((await outward.call('Unary', 'm')).message).toContain(unknown);

      stream.call.end();
      expect((await stream.ended).code).toBe(grpc.status.OK);
      expect(stream.messages.map(String)).toEqual(['before', 'during']);
      // Nothing comes in any more, but the app is still connected and may call.
      await eventually('the registration to go', async () => (await services()) === 0);
      expect((await outward.call('Unary', 'm')).message).toContain(unknown);
      expect(child.exitCode).toBeNull();
      outward.close();
      expect(await exited).toEqual([0, null]);
    } finally {
      child.kill('SIGKILL');
      for (const client of clients) client.close();
      await web.close();
      app.close();
      await agent.close();
      await rm(directory, { recursive: true });
    }
  });
});
