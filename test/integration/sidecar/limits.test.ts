import * as grpc from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EchoClient } from '../../support/echo-client.ts';
import { until } from '../../support/raw-http2.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

const { OK, RESOURCE_EXHAUSTED } = grpc.status;
const idOf = [['x-request-id', 'order-7']] as const;
const small = { limits: { message: '1KiB' } };

/** What a stream of 30 messages of 100 bytes comes to, whose last word is one message of `bytes`. */
const streamed = async (client: EchoClient, bytes: number) => {
  const stream = client.bidi({ metadata: idOf });
  for (let i = 0; i < 30; i++) stream.call.write(Buffer.alloc(100));
  await until(() => stream.messages.length === 30, 'the echo of what was small');
  stream.call.write(Buffer.alloc(bytes));
  stream.call.end();
  return stream.ended;
};

describe.each([
  ['its own sidecar', 'outrigger web', { caller: small }],
  ["the callee's sidecar", 'outrigger echo', { callee: small }],
] as const)('a request above limits.message of %s', (_, speaker, words) => {
  let mesh: TwoSidecars;
  beforeAll(async () => {
    mesh = await twoSidecars(words);
  });
  afterAll(() => mesh.close());
  const why = `${speaker}: the caller's stream: a message of 1025 bytes; the limit is 1024 (set by limits.message)`;

  it('ends a unary call with size, limit and setting, and the id', async () => {
    const ended = await mesh.client.call('Unary', Buffer.alloc(1025), { metadata: idOf });
    expect([ended.code, ended.message]).toEqual([RESOURCE_EXHAUSTED, why]);
    expect(ended.trailers.get('x-request-id')).toEqual(['order-7']);
  });

  it('ends a stream in the middle the same way', async () => {
    const ended = await streamed(mesh.client, 1025);
    expect([ended.code, ended.message]).toEqual([RESOURCE_EXHAUSTED, why]);
    expect(ended.trailers.get('x-request-id')).toEqual(['order-7']);
  });

  it('control: at the limit both pass', async () => {
    expect((await mesh.client.call('Unary', Buffer.alloc(1024))).code).toBe(OK);
    expect((await streamed(mesh.client, 1024)).code).toBe(OK);
  });

  it('is held against nobody: the connection and the gate are as before', async () => {
    for (let i = 0; i < 10; i++) await mesh.client.call('Unary', Buffer.alloc(1025));
    expect((await mesh.client.call('Unary', 'small')).code).toBe(OK);
    expect(sumOf(mesh.caller, 'outrigger_links_lost_total')).toBe(0);
    expect(sumOf(mesh.caller, 'outrigger_gate_changes_total')).toBe(0);
  });
});

describe('an answer', () => {
  it('above limits.message names the setting too', async () => {
    const mesh = await twoSidecars({ caller: small });
    try {
      const { code, message } = await mesh.client.repeat(1, 1025).ended;
      expect(code).toBe(RESOURCE_EXHAUSTED);
      expect(message).toMatch(/a message of 1025 bytes; the limit is 1024 \(set by limits\.message\)$/);
    } finally {
      await mesh.close();
    }
  });

  const unread = async (held: string) => {
    const mesh = await twoSidecars({ caller: { limits: { held } } });
    try {
      const stream = mesh.client.repeat(20, 64 * 1024, { metadata: idOf });
      stream.call.pause();
      const shed = () => sumOf(mesh.caller, 'outrigger_limit_breaches_total', 'limit="held"');
      if (held === '16KiB') await until(() => shed() > 0, 'the stream to be given up');
      stream.call.resume();
      const { code, message } = await stream.ended;
      return { code, message, messages: stream.messages.length };
    } finally {
      await mesh.close();
    }
  };

  it('that its caller does not read is given up when memory for it is spent, and says so', async () => {
    const { code, message, messages } = await unread('16KiB');
    expect(message).toBe(
      "outrigger web: the caller's stream: its reader is too slow and memory for waiting bytes is spent (set by limits.held)",
    );
    expect(code).toBe(RESOURCE_EXHAUSTED);
    expect(messages).toBeLessThan(20);
  });

  it('control: with memory enough the same one waits', async () => {
    expect(await unread('64MiB')).toEqual({ code: OK, message: 'OK', messages: 20 });
  });
});
