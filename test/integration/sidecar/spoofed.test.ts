import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerOk, type PlainApp, startPlainApp } from '../../support/echo-plain.ts';
import { type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';
import { lies, ourSpellings, spoofedAmong, theirSpellings } from '../../support/spoofed-names.ts';

const lie = 'YWRtaW4=';

describe('nobody but a sidecar speaks in the name of a sidecar', () => {
  let mesh: TwoSidecars;
  let app: PlainApp;
  beforeAll(async () => {
    app = await startPlainApp((stream) => {
      const spoofed = Object.fromEntries(ourSpellings.map((name) => [name, lie]));
      answerOk(stream, { ...spoofed, 'x-honest': 'h' }, { ...spoofed, 'x-honest-too': 't' });
    });
    mesh = await twoSidecars({ callee: { service: { port: app.port } } });
  });
  afterAll(async () => {
    await mesh.close();
    app.close();
  });

  it('the app sees who called from the certificate, whatever the caller wrote', async () => {
    await mesh.client.call('Unary', 'm', { metadata: lies(ourSpellings) });
    const seen = app.seen.at(-1)!;
    expect(spoofedAmong(Object.keys(seen))).toEqual(['x-outrigger-caller', 'x-outrigger-token']);
    expect(seen['x-outrigger-caller']).toBe('web');
    // The callee's own, by which its app's calls are tied to this one.
    expect(seen['x-outrigger-token']).not.toBe('admin');
  });

  it('nor does it see what other proxies would say of a caller, on its way out or in, once or twice', async () => {
    const metadata = [...lies(theirSpellings), ...lies(theirSpellings), ['x-honest', 'h'] as const];
    await mesh.client.call('Unary', 'm', { metadata });
    expect(spoofedAmong(Object.keys(app.seen.at(-1)!))).toEqual(['x-outrigger-caller', 'x-outrigger-token']);
    expect(app.seen.at(-1)!['x-honest']).toBe('h');
  });

  it('upper case is the same name', async () => {
    await mesh.client.call('Unary', 'm', { metadata: [['X-Outrigger-Caller', 'admin']] });
    expect(app.seen.at(-1)!['x-outrigger-caller']).toBe('web');
  });

  it('priority is the one word of the caller that crosses to the app', async () => {
    await mesh.client.call('Unary', 'm', { metadata: [['x-outrigger-priority', 'low']] });
    const seen = app.seen.at(-1)!;
    expect(spoofedAmong(Object.keys(seen))).toEqual([
      'x-outrigger-caller',
      'x-outrigger-priority',
      'x-outrigger-token',
    ]);
    expect(seen['x-outrigger-priority']).toBe('low');
  });

  it("the caller gets none of the app's lies, neither in headers nor in trailers", async () => {
    const { code, headers, trailers } = await mesh.client.call('Unary', 'm');
    expect(code).toBe(grpc.status.OK);
    expect(spoofedAmong(Object.keys(headers.getMap()))).toEqual([]);
    expect(spoofedAmong(Object.keys(trailers.getMap()))).toEqual([]);
    // Control: what is not ours came through both.
    expect(headers.get('x-honest')).toEqual(['h']);
    expect(trailers.get('x-honest-too')).toEqual(['t']);
  });

  it('control: without sidecars the same lies arrive', async () => {
    const direct = mesh.connect('echo', { target: `127.0.0.1:${app.port}` });
    const { headers, trailers } = await direct.call('Unary', 'm', {
      metadata: lies([...ourSpellings, ...theirSpellings]),
    });
    expect(spoofedAmong(Object.keys(headers.getMap()))).toHaveLength(ourSpellings.length);
    expect(spoofedAmong(Object.keys(trailers.getMap()))).toHaveLength(ourSpellings.length);
    expect(app.seen.at(-1)!['x-outrigger-caller']).toBe('admin');
    expect(spoofedAmong(Object.keys(app.seen.at(-1)!))).toHaveLength(
      ourSpellings.length + theirSpellings.length,
    );
  });

  it('a second caller is told apart from the first', async () => {
    const orders = await mesh.addCaller('orders');
    await mesh.connect('echo', { target: orders.ports.app }).call('Unary', 'm');
    expect(app.seen.at(-1)!['x-outrigger-caller']).toBe('orders');
  });
});

describe('the peers port', () => {
  it('takes no such word from whoever dials it without a sidecar', async () => {
    const app = await startPlainApp((stream) => answerOk(stream));
    const mesh = await twoSidecars({ secure: false, callee: { service: { port: app.port } } });
    try {
      const stranger = mesh.connect('echo', { target: mesh.callees[0]!.ports.peers! });
      const metadata = lies([...ourSpellings, ...theirSpellings]);
      expect((await stranger.call('Unary', 'm', { metadata })).code).toBe(grpc.status.OK);
      // The token is the callee's own; nobody has proved who calls.
      expect(spoofedAmong(Object.keys(app.seen.at(-1)!))).toEqual(['x-outrigger-token']);
      expect(app.seen.at(-1)!['x-outrigger-token']).not.toBe('admin');
    } finally {
      await mesh.close();
      app.close();
    }
  });
});

describe("an app's own word about reached is not believed", () => {
  it('a trailers-only UNAVAILABLE that claims so is not tried again', async () => {
    const app = await startPlainApp((stream) => {
      stream.respond(
        {
          ':status': 200,
          'content-type': 'application/grpc',
          'grpc-status': '14',
          'grpc-message': 'sorry',
          'x-outrigger-reached': 'false',
        },
        { endStream: true },
      );
    });
    const mesh = await twoSidecars({ callee: { service: { port: app.port } } });
    try {
      const { code, message, trailers } = await mesh.client.call('Unary', 'm');
      expect([code, message]).toEqual([grpc.status.UNAVAILABLE, 'sorry']);
      expect(trailers.get('x-outrigger-reached')).toEqual([]);
      expect(app.seen).toHaveLength(1);
    } finally {
      await mesh.close();
      app.close();
    }
  });
});
