import { performance } from 'node:perf_hooks';
import type { Dial } from './dial.ts';
import { Fields } from './fields.ts';
import type { ClosedLoop } from './job.ts';
import type { Run } from './run.ts';
import type { Tally } from './tally.ts';
import { message, UnaryCall } from './unary-call.ts';

/** Keeps `inFlight` unary calls under way on each connection. */
export const closedLoop = async (job: ClosedLoop, dial: Dial, tally: Tally): Promise<Run> => {
  const connections = await dial.all(job.connections);
  const fields = new Fields(job.headers, 'Unary');
  const octets = message(job.bytes);
  let stopped = false;
  let active = 0;
  const again = (call: UnaryCall): void => {
    // A connection that is gone fails each of its calls once, and has no room for more.
    if (stopped || tally.failed > 0) active--;
    else call.begin(performance.now());
  };
  for (const connection of connections)
    for (let i = 0; i < job.inFlight; i++) {
      active++;
      new UnaryCall(connection, fields, octets, tally, again).begin(performance.now());
    }
  return {
    stop: () => {
      stopped = true;
    },
    underWay: () => active,
  };
};
