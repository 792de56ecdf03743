import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type Receiver, startReceiver } from '../../support/otlp.ts';
import { type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

let receiver: Receiver;
let mesh: TwoSidecars;
beforeEach(async () => {
  receiver = await startReceiver();
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', receiver.endpoint);
  vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc');
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '20');
  const policies = { echo: { idempotent: true, hedge: { after: '1500ms' } } };
  mesh = await twoSidecars({ instances: 2, caller: { balance: 'round-robin', policies } });
});
afterEach(async () => {
  await mesh.close();
  receiver.close();
  vi.unstubAllEnvs();
});

it('both attempts of a hedged call are below it, the second linked to the first, and the slower one was cancelled', async () => {
  mesh.apps[0]!.delayMs = 10_000;
  // Round robin: one of two calls meets the slow instance first.
  for (let calls = 0; calls < 2; calls++) expect((await mesh.client.call('Unary', 'm')).code).toBe(0);
  const attempts = () =>
    receiver.spans.filter(({ attributes }) => attributes['outrigger.attempt'] !== undefined);
  // The other call may have met it first too, for an attempt beside takes a turn as well.
  const pair = () => attempts().find(({ links }) => attempts().some(({ id }) => id === links[0]));
  await eventually(() => pair() !== undefined, 'an attempt beside another');
  const second = pair()!;
  const first = attempts().find(({ id }) => id === second.links[0])!;
  await eventually(() => receiver.spans.some(({ id }) => id === second.parent), 'the span of the call');
  const call = receiver.spans.find(({ id }) => id === second.parent)!;
  expect([
    first.parent,
    first.attributes['outrigger.attempt'],
    second.attributes['outrigger.attempt'],
  ]).toEqual([call.id, 1, 2]);
  expect([call, first, second].map(({ attributes }) => attributes['rpc.response.status_code'])).toEqual([
    'OK',
    'CANCELLED',
    'OK',
  ]);
  expect(first.message).toBe('another attempt answered first');
  expect(call.attributes['outrigger.attempts']).toBe(2);
});
