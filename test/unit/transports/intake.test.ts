import { describe, expect, test } from 'vitest';
import type { Call } from '../../../sidecar/core/call.ts';
import type { Log } from '../../../sidecar/core/log.ts';
import { stack } from '../../../sidecar/core/stack.ts';
import { settled } from '../../support/calls.ts';
import { ask, type IntakeWords, intakeOnPipe, waiting } from '../../support/intake-pipe.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';
import { data, request, rst } from '../../support/raw-http2.ts';

const grpc = ['content-type', 'application/grpc'];
const madeId = /^[0-9a-f]{32}$/;

/** What one request without a body is answered. */
const answered = async ([path, ...fields]: readonly string[], words: IntakeWords = {}) => {
  const port = intakeOnPipe(words);
  port.send(ask(1, true, path!, ...fields));
  await settled();
  return { ...port, first: port.heard(1)[0] as Record<string, string> };
};

const counted = ({ meter }: StillKit, service: string, code: string): number =>
  meter.count('outrigger_calls_total', 'outbound', service, 'malformed', code, 'mesh').value;

describe('a call that intake refuses', () => {
  const wrong: readonly [what: string, fields: string[], service: string, code: string, number: string][] = [
    ['path', ['/x', ':authority', 'inventory', ...grpc], 'none', 'UNIMPLEMENTED', '12'],
    ['authority', ['/t.S/Echo', ':authority', 'a b', ...grpc], 'none', 'INVALID_ARGUMENT', '3'],
    [
      'path, the service named apart,',
      ['/x', ...grpc, 'x-outrigger-service', 'orders'],
      'orders',
      'UNIMPLEMENTED',
      '12',
    ],
  ];

  test.each(wrong)('for its %s is answered with an id of its own', async (_, fields, __, ___, number) => {
    const { first } = await answered(fields);
    expect(first['grpc-status']).toBe(number);
    expect(first['x-request-id']).toMatch(madeId);
    expect(first['x-outrigger-reached']).toBe('false');
  });

  test.each(wrong)("for its %s is answered with the caller's id when that is clean", async (_, fields) => {
    expect((await answered([...fields, 'x-request-id', 'order-7'])).first['x-request-id']).toBe('order-7');
    expect((await answered([...fields, 'x-correlation-id', 'a:1'])).first['x-request-id']).toBe('a:1');
    const { first, kit } = await answered([...fields, 'x-request-id', 'a"b']);
    expect(first['x-request-id']).toMatch(madeId);
    expect(kit.meter.count('outrigger_ids_rejected_total', 'outbound').value).toBe(1);
  });

  test.each(wrong)('for its %s is counted once, and is over', async (_, fields, service, code) => {
    const { kit } = await answered(fields);
    expect(counted(kit, service, code)).toBe(1);
    expect(kit.meter.count('outrigger_calls_in_flight', 'outbound', service).value).toBe(0);
  });

  test('leaves a line with its id in a verbose log', async () => {
    const lines: object[] = [];
    const log: Log = { ...stillKit().log, verbose: true, debug: (fields) => void lines.push(fields) };
    await answered([...wrong[0]![1], 'x-request-id', 'find-me'], { kit: { ...stillKit(), log } });
    expect(lines).toMatchObject([
      { id: 'find-me', method: 'malformed', code: 'UNIMPLEMENTED', from: 'mesh' },
    ]);
  });

  test('control: past no filter it would have no id, and nobody would count it', async () => {
    const { first, kit } = await answered(wrong[0]![1], { refusing: stack<Call>() });
    expect(first['grpc-status']).toBe('12');
    expect(first['x-request-id']).toBeUndefined();
    expect(counted(kit, 'none', 'UNIMPLEMENTED')).toBe(0);
  });

  test('control: what is well formed goes to the service, and is refused by nobody here', async () => {
    const { calls, kit, first } = await answered(['/t.S/Echo', ':authority', 'inventory', ...grpc]);
    expect(calls.map((call) => call.method)).toEqual(['/t.S/Echo']);
    expect(first).toBeUndefined();
    expect(counted(kit, 'none', 'UNIMPLEMENTED')).toBe(0);
  });
});

describe('a request that is not gRPC', () => {
  const page = ['/', 'content-type', 'text/html', 'x-request-id', 'page-1'] as const;

  test('is answered in words of HTTP with the id, and counted', async () => {
    const { first, kit, heard } = await answered(page);
    expect(first).toMatchObject({ ':status': '415', 'x-request-id': 'page-1' });
    expect(heard(1)[1]).toBeGreaterThan(50);
    expect(counted(kit, 'none', 'UNKNOWN')).toBe(1);
  });

  test('is given an id when it has none that is clean', async () => {
    const { first } = await answered(['/', 'content-type', 'text/html', 'x-request-id', ';rm']);
    expect(first['x-request-id']).toMatch(madeId);
  });

  test('is answered when its body has ended, or has taken five seconds', async () => {
    const { kit, send, heard } = intakeOnPipe();
    send(ask(1, false, ...page), ask(3, false, ...page));
    await settled();
    expect([heard(1), heard(3)]).toEqual([[], []]);
    send(data(1, Buffer.alloc(10), 1));
    expect([heard(1).length, heard(3).length]).toEqual([2, 0]);
    kit.pass(4995);
    expect(heard(3)).toEqual([]);
    kit.pass(10);
    expect(heard(3)).toMatchObject([{ ':status': '415', 'x-request-id': 'page-1' }, 90, 'RST_STREAM 0']);
    expect(counted(kit, 'none', 'UNKNOWN')).toBe(2);
    expect(kit.wheel.size).toBe(0);
  });

  test('counts as gone when its caller goes, and leaves nothing behind', async () => {
    const { kit, send, connection } = intakeOnPipe();
    send(ask(1, false, ...page));
    await settled();
    send(rst(1, 8));
    const gone = kit.meter.count(
      'outrigger_calls_total',
      'outbound',
      'none',
      'malformed',
      'CANCELLED',
      'wire',
    );
    expect(gone.value).toBe(1);
    expect([kit.wheel.size, connection.places]).toEqual([0, 0]);
  });
});

describe('the place of a stream that its caller reset', () => {
  const oneAtATime = { concurrentStreams: 1 };

  test('is free for the next call in the same chunk: the work has stopped', async () => {
    const { send, heard, calls, connection } = intakeOnPipe({ limits: oneAtATime });
    send(request(1, false));
    send(rst(1, 8), request(3, true));
    expect(calls).toHaveLength(2);
    expect(calls[0]!.life.outcome?.code).toBe(1);
    await settled();
    expect([heard(3), connection.places]).toEqual([[], 1]);
  });

  test('control: it is kept while the work has not stopped, for whoever resets faster than that', async () => {
    let stop = (): void => {};
    const { send, heard, calls, connection } = intakeOnPipe({
      limits: oneAtATime,
      // Nobody waits who could be told: the call is between two filters.
      service: async (call) => {
        await new Promise<void>((resolve) => {
          stop = resolve;
        });
        return waiting(call);
      },
    });
    send(request(1, false));
    send(rst(1, 8), request(3, true));
    expect(calls).toHaveLength(1);
    expect([heard(3), connection.places]).toEqual([['RST_STREAM 7'], 1]);
    stop();
    await settled();
    expect(connection.places).toBe(0);
  });

  test('buys no endless work: whoever goes on like that is cut off after the 500th', () => {
    const { send, calls, breaches, connection } = intakeOnPipe({ limits: oneAtATime });
    const pairs = Array.from({ length: 1000 }, (_, i) => [request(2 * i + 1, false), rst(2 * i + 1, 8)]);
    send(...pairs.flat());
    expect([calls.length, breaches, connection.state]).toEqual([501, ['resets'], 'closed']);
    expect(calls.every((call) => call.life.outcome !== null)).toBe(true);
  });
});
