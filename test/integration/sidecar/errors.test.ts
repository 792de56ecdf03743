import { randomBytes } from 'node:crypto';
import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

describe("an app's errors reach the caller as the app wrote them", () => {
  let mesh: TwoSidecars;
  beforeAll(async () => {
    mesh = await twoSidecars();
  });
  afterAll(() => mesh.close());

  const messages = [
    'plain',
    'nö such % thing: 100 %',
    '発見できません 🛶',
    'line one\nline two\ttab',
    ' spaces around ',
    '%41 is not A',
    '',
  ];

  it('every code, each with a message and details', async () => {
    for (let code = 1; code <= 16; code++) {
      const details = randomBytes(40).toString('hex');
      const message = messages[code % messages.length]!;
      const ended = await mesh.client.call('Fail', { code, message, details });
      expect([ended.code, ended.message]).toEqual([code, message]);
      expect(ended.trailers.get('grpc-status-details-bin')).toEqual([Buffer.from(details, 'hex')]);
      expect(ended.trailers.get('x-outrigger-reached')).toEqual([]);
      expect(ended.answer).toBeNull();
    }
  });

  it('a message of 1,500 letters that are not ASCII', async () => {
    const message = 'ü'.repeat(750);
    const ended = await mesh.client.call('Fail', { code: 3, message, details: '' });
    expect(ended.message).toBe(message);
  });

  it('a method that the app does not have', async () => {
    const direct = mesh.connect('echo', { target: `127.0.0.1:${mesh.apps[0]!.port}` });
    const { trailers: _, ...one } = await direct.raw('/interop.Echo/Nothing');
    const { trailers: __, ...other } = await mesh.client.raw('/interop.Echo/Nothing');
    expect(other).toEqual(one);
    expect(other.code).toBe(grpc.status.UNIMPLEMENTED);
  });

  it('the error in the middle of a stream', async () => {
    const stream = mesh.client.bidi();
    stream.call.write(Buffer.from('one'));
    await stream.headers;
    mesh.apps[0]!.close();
    const { code } = await stream.ended;
    expect([grpc.status.UNAVAILABLE, grpc.status.CANCELLED, grpc.status.INTERNAL]).toContain(code);
  });
});
