import type { Connection } from '../../wire/index.ts';
import type { Dial } from './dial.ts';
import { Fields } from './fields.ts';
import type { OpenLoop } from './job.ts';
import { Pacer } from './pacer.ts';
import type { Run } from './run.ts';
import type { Tally } from './tally.ts';
import { message, UnaryCall } from './unary-call.ts';
import { leaveUnread } from './unread.ts';

/**
 * Makes unary calls at times set beforehand. Latency counts from the time a call should have begun, so that a proxy
 * that stalls pays for everyone it kept waiting (no coordinated omission).
 */
export const openLoop = async (job: OpenLoop, dial: Dial, tally: Tally): Promise<Run> => {
  const connections = await dial.all(job.connections);
  const unread = job.unread > 0 ? await leaveUnread(job.unread, dial, tally) : null;
  const fields = new Fields(job.headers, 'Unary');
  const octets = message(job.bytes);
  const idle: UnaryCall[][] = connections.map(() => []);
  const waiting: number[] = [];
  let active = 0;
  let next = 0;
  const begin = (connection: Connection, place: number, since: number): void => {
    active++;
    const free = (call: UnaryCall): void => {
      active--;
      idle[place]!.push(call);
      if (waiting.length > 0) arrive(waiting.shift()!);
    };
    (idle[place]!.pop() ?? new UnaryCall(connection, fields, octets, tally, free)).begin(since);
  };
  const arrive = (since: number): void => {
    for (let tries = 0; tries < connections.length; tries++) {
      next = (next + 1) % connections.length;
      if (connections[next]!.room > 0) return begin(connections[next]!, next, since);
    }
    waiting.push(since);
  };
  const pacer = new Pacer(job.perSecond, (since, lateMs) => {
    tally.late(lateMs);
    arrive(since);
  });
  return {
    stop: () => {
      pacer.stop();
      waiting.length = 0;
      unread?.cancel();
    },
    underWay: () => active,
  };
};
