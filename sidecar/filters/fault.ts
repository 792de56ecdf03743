import type { Call } from '../core/call.ts';
import type { Filter, Service } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import type { Fault } from '../core/policy.ts';
import { type Reply, refuse } from '../core/reply.ts';
import { Code, ended } from '../core/status.ts';
import { readFault, writeFault } from '../policies/fault-words.ts';
import { pause } from '../policies/pause.ts';

/** Who may make faults. Nobody, unless the settings file says so. */
export interface FaultSettings {
  /** Whether those of policies act, on calls that leave. */
  readonly policies: boolean;
  /** Services whose `x-outrigger-fault` acts, on calls that come in. */
  readonly from: readonly string[];
}

const noFaults: FaultSettings = { policies: false, from: [] };
/** Longer than any call: until it is cancelled, or its deadline ends it. */
const forEverMs = 2 ** 40;

/**
 * Makes faults on purpose: lets a call wait, and then fail, be reset, or hear nothing any more.
 *
 * Above   route: so that no defence hides a fault, and none is misled by it; inbound: last before the app
 * Reads   policy.faults (outbound); x-outrigger-fault and the verified caller (inbound)
 * Answers the code of the fault, as a peer would that has seen the call
 * Counts  outrigger_faults_total, outrigger_faults_refused_total
 * Keeps   nothing
 * Status  alpha
 *
 * What ended here says so in its message and in the trailer `x-outrigger-fault`.
 */
export const fault = (
  kit: Kit,
  direction: 'outbound' | 'inbound',
  { policies, from }: FaultSettings = noFaults,
): Filter<Call> => {
  const chosen = ({ policy: { faults } }: Call): Fault | null => {
    for (const one of faults) if (kit.random() * 100 < one.percent) return one;
    return null;
  };
  const asked = ({ arrival }: Call): Fault | null => {
    const one = from.includes(arrival.caller) ? readFault(arrival.words.fault) : null;
    if (one === null)
      kit.meter.count('outrigger_faults_refused_total', arrival.caller || 'anonymous').value++;
    return one;
  };
  return function fault(call, next) {
    if (direction === 'outbound') {
      if (!policies || call.policy.faults.length === 0) return next(call);
      const one = chosen(call);
      return one === null ? next(call) : suffer(kit, direction, call, one, next);
    }
    if (call.arrival.words.fault === '') return next(call);
    const one = asked(call);
    return one === null ? next(call) : suffer(kit, direction, call, one, next);
  };
};

const suffer = async (
  kit: Kit,
  direction: string,
  call: Call,
  one: Fault,
  next: Service<Call>,
): Promise<Reply> => {
  const what = writeFault(one);
  const doing = `in a fault made on purpose (${what})`;
  const { delay, abort } = one;
  if (delay !== undefined) {
    kit.meter.count('outrigger_faults_total', direction, 'delay').value++;
    const cancelled = await pause(kit.wheel, call.life, delay, doing);
    if (cancelled !== null) return refuse(cancelled);
  }
  if (abort === undefined) return next(call);
  kit.meter.count('outrigger_faults_total', direction, typeof abort === 'number' ? 'abort' : abort).value++;
  if (abort === 'drop') {
    const cancelled = await pause(kit.wheel, call.life, forEverMs, doing);
    return refuse(cancelled ?? ended(Code.CANCELLED, doing));
  }
  const status = ended(abort === 'reset' ? Code.INTERNAL : abort, `a fault made on purpose (${what})`);
  return abort === 'reset'
    ? refuse({ ...status, isReset: true })
    : refuse(status, ['x-outrigger-fault', what]);
};
