import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openLog } from '../../../sidecar/telemetry/log.ts';
import { type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

describe('an operator', () => {
  let mesh: TwoSidecars;
  const lines: Record<string, unknown>[] = [];
  beforeAll(async () => {
    const log = openLog({
      level: 'info',
      destination: { write: (line) => void lines.push(JSON.parse(line)) },
    });
    const callee = { listen: { health: '127.0.0.1:0' }, log: { access: 0.2 } };
    mesh = await twoSidecars({ log, callee, caller: { log: { access: 0.2 } } });
  });
  afterAll(() => mesh.close());

  const told = (direction: string) =>
    lines
      .filter((line) => line['event'] === 'call' && line['direction'] === direction)
      .map((line) => line['id']);

  it('finds the calls that were told on both sides, and no others', async () => {
    lines.length = 0;
    const ids = Array.from({ length: 300 }, (_, at) => `call-${at}`);
    for (const id of ids) await mesh.client.call('Unary', 'm', { metadata: [['x-request-id', id]] });
    expect(told('outbound').length).toBeGreaterThan(25);
    expect(told('outbound').length).toBeLessThan(110);
    expect(told('inbound')).toEqual(told('outbound'));
  });

  it('finds each failed call, and nothing of what it said', async () => {
    lines.length = 0;
    const request = Buffer.from('{"code":5,"message":"password=hunter2","details":""}');
    const metadata: [string, string][] = [
      ['x-request-id', 'failed-1'],
      ['authorization', 'Bearer secret'],
    ];
    expect((await mesh.client.call('Fail', request, { metadata })).code).toBe(grpc.status.NOT_FOUND);
    expect([told('outbound'), told('inbound')]).toEqual([['failed-1'], ['failed-1']]);
    expect(JSON.stringify(lines)).not.toMatch(/hunter2|secret/);
    expect(lines[0]).toMatchObject({
      level: 'info',
      code: 'NOT_FOUND',
      from: 'peer',
      method: '/interop.Echo/Fail',
    });
  });

  it('finds one line for a call whose id would forge another, under an id of our own', async () => {
    const odd = ['a","level":"error', '%0d%0a{}', 'x'.repeat(129), 'a b', '<script>', "';--", '\\u2028'];
    for (const id of odd) {
      lines.length = 0;
      const request = Buffer.from('{"code":5,"message":"m","details":""}');
      await mesh.client.call('Fail', request, { metadata: [['x-request-id', id]] });
      expect([id, told('outbound').length, told('inbound')]).toEqual([id, 1, told('outbound')]);
      expect(told('inbound')[0]).toMatch(/^[0-9a-f]{32}$/);
      expect(lines).toHaveLength(2);
    }
    // Control: a clean one is kept.
    lines.length = 0;
    const words = { metadata: [['x-request-id', 'a.b:c-d_e']] as [string, string][] };
    await mesh.client.call('Fail', Buffer.from('{"code":5,"message":"m","details":""}'), words);
    expect(told('inbound')).toEqual(['a.b:c-d_e']);
  });

  it('reaches live, ready and metrics on the health port, and no page that tells more', async () => {
    const { health } = mesh.callees[0]!.ports;
    const codes: Record<string, number> = {};
    for (const path of ['/live', '/ready', '/metrics', '/snapshot', '/endpoints'])
      codes[path] = (await fetch(`http://${health}${path}`)).status;
    expect(codes).toEqual({
      '/live': 200,
      '/ready': 200,
      '/metrics': 200,
      '/snapshot': 404,
      '/endpoints': 404,
    });
    expect(mesh.caller.ports).not.toHaveProperty('health');
  });

  it('sets the level of the log while calls go on', async () => {
    const [callee] = mesh.callees;
    expect(callee!.logLevel()).toBe('info');
    callee!.setLogLevel('error');
    lines.length = 0;
    await mesh.client.call('Fail', Buffer.from('{"code":5,"message":"m","details":""}'));
    expect(lines).toEqual([]);
    callee!.setLogLevel('info');
  });
});
