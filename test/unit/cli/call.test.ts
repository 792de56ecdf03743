import { EventEmitter } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type {
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  sendUnaryData,
} from '@grpc/grpc-js';
import { Metadata } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type CallOptions, call } from '../../../sidecar/cli/call/call.ts';
import type { Surroundings } from '../../../sidecar/cli/started.ts';
import { silent } from '../../../sidecar/core/log.ts';
import { loadSettings, type Origin } from '../../../sidecar/settings/load.ts';
import type { Settings } from '../../../sidecar/settings/settings.ts';
import { type ReflectingServer, reflectingServer } from '../../support/reflecting-server.ts';

type Line = { sku: string; count: number };

const folder = mkdtempSync(join(tmpdir(), 'outrigger-call-'));
const proto = join(folder, 'shop.proto');
beforeAll(() => {
  writeFileSync(
    join(folder, 'line.proto'),
    'syntax = "proto3"; package shop.v1; message Line { string sku = 1; int64 line_count = 2; bytes tag = 3; repeated string seen = 4; }',
  );
  writeFileSync(
    proto,
    `syntax = "proto3"; package shop.v1; import "line.proto";
    service Shop {
      rpc Get(Line) returns (Line);
      rpc Watch(Line) returns (stream Line);
      rpc Sum(stream Line) returns (Line);
      rpc Echo(stream Line) returns (stream Line);
      rpc Fail(Line) returns (Line);
      rpc Never(Line) returns (Line);
    }`,
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

let server: ReflectingServer | null = null;
afterEach(() => {
  server?.close();
  server = null;
});

type Message = Record<string, unknown>;
const shop = {
  // Answers with what it saw, so that the test can read it.
  Get: (asked: ServerUnaryCall<Message, Message>, done: sendUnaryData<Message>) =>
    done(null, {
      ...asked.request,
      seen: [asked.getHost(), String(asked.metadata.get('x-request-id')[0] ?? '')],
    }),
  Watch: (asked: ServerWritableStream<Message, Message>) => {
    for (const sku of ['a', 'b']) asked.write({ sku });
    asked.end();
  },
  Sum: (asked: ServerReadableStream<{ lineCount: number }, Message>, done: sendUnaryData<Message>) => {
    let sum = 0;
    asked.on('data', ({ lineCount }) => (sum += lineCount));
    asked.on('end', () => done(null, { lineCount: sum }));
  },
  Echo: (asked: ServerDuplexStream<Line, Line>) => {
    asked.on('data', (line) => asked.write(line));
    asked.on('end', () => asked.end());
  },
  Fail: (_asked: unknown, done: sendUnaryData<Message>) => {
    const metadata = new Metadata();
    metadata.set('x-request-id', 'try-1');
    done({ code: 9, details: 'sold out', metadata });
  },
  Never: () => {},
};

const start = async (reflection?: 'v1' | 'v1alpha'): Promise<string> => {
  server = await reflectingServer({
    proto,
    services: { 'shop.v1.Shop': shop },
    ...(reflection && { reflection }),
  });
  return server.address;
};

const nobody = (): Promise<Surroundings> => Promise.reject(new Error('no sidecar was asked for'));

const make = async (method: string, options: Partial<CallOptions>, sidecar = nobody) => {
  const lines: string[] = [];
  const said: string[] = [];
  const code = await call(
    'shop',
    method,
    { request: [], header: [], proto: [], include: [], ...options },
    { write: (line) => void lines.push(line), say: (line) => void said.push(line), sidecar },
  );
  return { code, answers: lines.map((line) => JSON.parse(line)), said };
};

describe('outrigger call', () => {
  it.each(['v1', 'v1alpha'] as const)(
    'learns the types by reflection %s, imports included, and names the service in :authority',
    async (version) => {
      const address = await start(version);
      const { code, answers } = await make('shop.v1.Shop/Get', {
        address,
        request: ['{"sku": "oar", "line_count": 3, "tag": "AAE="}'],
        header: ['x-request-id: try-1'],
      });
      expect(answers).toEqual([{ sku: 'oar', lineCount: 3, tag: 'AAE=', seen: ['shop', 'try-1'] }]);
      expect(code).toBe(0);
    },
  );

  it('takes the types from a file where there is no reflection', async () => {
    const address = await start();
    const { answers } = await make('shop.v1.Shop.Get', { address, proto: [proto], include: [folder] });
    expect(answers).toMatchObject([{ sku: '', seen: ['shop', ''] }]);
  });

  it('makes calls of every kind', async () => {
    const address = await start('v1');
    const skus = async (method: string, request: string[]) =>
      (await make(`shop.v1.Shop/${method}`, { address, request })).answers;
    expect(await skus('Watch', [])).toMatchObject([{ sku: 'a' }, { sku: 'b' }]);
    expect(await skus('Sum', ['{"lineCount": 2}', '{"lineCount": 3}'])).toMatchObject([{ lineCount: 5 }]);
    expect(await skus('Echo', ['{"sku": "x"}', '{"sku": "y"}'])).toMatchObject([{ sku: 'x' }, { sku: 'y' }]);
  });

  it('says how a call failed, with its id, and ends with 1', async () => {
    const address = await start('v1');
    const { code, said } = await make('shop.v1.Shop/Fail', { address });
    expect([code, said]).toEqual([1, ['FAILED_PRECONDITION (9): sold out', 'x-request-id: try-1']]);
  });

  it('ends at its deadline', async () => {
    const address = await start('v1');
    const { code, said } = await make('shop.v1.Shop/Never', { address, timeoutMs: 50 });
    expect(code).toBe(1);
    expect(said[0]).toMatch(/^DEADLINE_EXCEEDED \(4\)/);
  });
});

describe('a call that was asked for wrongly', () => {
  it.each([
    ['Get', {}, "METHOD must be package.Service/Method, such as demo.v1.Inventory/Reserve, not 'Get'"],
    ['shop.v1.Shop/Gte', {}, "shop.v1.Shop has no method 'Gte' (did you mean 'Get'?)"],
    ['shop.v1.Store/Get', {}, "the server does not know 'shop.v1.Store'; it has: shop.v1.Shop"],
    ['shop.v1.Shop/Get', { request: ['{"skuu": "oar"}'] }, "Line has no field 'skuu' (did you mean 'sku'?)"],
    ['shop.v1.Shop/Get', { request: ['{sku}'] }, '-d is not valid JSON: '],
    [
      'shop.v1.Shop/Get',
      { request: ['[1]'] },
      '-d must be a JSON object, such as \'{"sku": "oar"}\', not [1]',
    ],
    ['shop.v1.Shop/Get', { request: ['{}', '{}'] }, '/shop.v1.Shop/Get takes one request: give -d once'],
    ['shop.v1.Shop/Get', { header: ['nonsense'] }, "-H must be 'name: value', not 'nonsense'"],
    ['shop.v1.Shop/Get', { as: 'web' }, '--as starts a sidecar of its own: leave --address out'],
  ])('%s %j', async (method, options, message) => {
    const address = await start('v1');
    await expect(make(method, { address, ...options })).rejects.toThrow(message);
  });

  it('is told what to do where there is no reflection', async () => {
    const address = await start();
    await expect(make('shop.v1.Shop/Get', { address })).rejects.toThrow(
      'the server has no reflection: name its types with --proto FILE',
    );
  });
});

describe('a call as a service', () => {
  const sidecar =
    (address: string, ready: Promise<void>, steps: string[], settings: Settings[]) => async () =>
      ({
        signals: new EventEmitter(),
        say: () => {},
        terminal: false,
        start: async (given: Settings) => {
          settings.push(given);
          return {
            ports: { app: address, peers: null, admin: '127.0.0.1:1' },
            ready,
            notReady: () => ['Consul at http://127.0.0.1:8501 has not answered'],
            drain: async () => {},
            appGone: async () => {},
            close: async () => void steps.push('close'),
          };
        },
        load: async (origin: Origin) => loadSettings(origin),
        openLog: () => silent,
        patienceMs: 10,
      }) satisfies Surroundings;

  it('goes by a sidecar with that identity, which ends with the call', async () => {
    const address = await start('v1');
    const steps: string[] = [];
    const settings: Settings[] = [];
    const way = sidecar(address, Promise.resolve(), steps, settings);
    const { code } = await make('shop.v1.Shop/Get', { as: 'web', consul: 'http://127.0.0.1:8501' }, way);
    expect([code, steps]).toEqual([0, ['close']]);
    expect(settings[0]).toMatchObject({
      service: { name: 'web', app: null },
      listen: { peers: null, control: 'none', app: { port: 0 } },
      discovery: { url: 'http://127.0.0.1:8501' },
    });
  });

  it('says who did not answer when there is no identity', async () => {
    const steps: string[] = [];
    const way = sidecar('', new Promise(() => {}), steps, []);
    await expect(
      make('shop.v1.Shop/Get', { as: 'web', consul: 'http://127.0.0.1:8501' }, way),
    ).rejects.toThrow("not ready as 'web' within 0.01 s: Consul at http://127.0.0.1:8501 has not answered");
    expect(steps).toEqual(['close']);
  });

  it('ends with the reason when that sidecar was stopped before it was ready', async () => {
    const steps: string[] = [];
    const never = Promise.reject(new Error('the sidecar was stopped before it was ready'));
    const way = sidecar('', never, steps, []);
    await expect(make('shop.v1.Shop/Get', { as: 'web' }, way)).rejects.toThrow(
      'the sidecar was stopped before it was ready',
    );
    expect(steps).toEqual(['close']);
  });
});
