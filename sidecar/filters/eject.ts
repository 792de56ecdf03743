import type { Attempt } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import type { Clock, Kit } from '../core/kit.ts';
import type { Witness } from '../core/life.ts';
import type { Status } from '../core/status.ts';
import { isServerFault } from '../policies/server-fault.ts';
import { verdictOf } from '../policies/verdict.ts';

/**
 * Judges an endpoint by how attempts end there, so that its gate can shut.
 *
 * Above   the transport: so that it hears of exactly one endpoint
 * Reads   attempt.beside, attempt.begunAt, reply.over, life.outcome, life.touchedAt, body.ended, call.deadlineAt, arrival.arrivedAt
 * Answers nothing
 * Counts  outrigger_gate_changes_total, through the endpoint's gate
 * Keeps   nothing: the gate belongs to the endpoint
 * Status  alpha
 *
 * Beside the call, not around it: the reply passes at once, the verdict follows when there is one. An attempt that
 * is over as it is handed on is judged by that; one that has begun is judged by the call's outcome, for there will
 * be no other attempt. The call on trial went well when its reply has begun and did not fail for a second, so that a
 * long stream does not hold the trial, and one that breaks off does not pass it. A call that goes beside the one on trial is not judged: it has the trial's epoch,
 * and would decide it. `policies/verdict.ts` says what counts as failure. How long the beginning of the reply was
 * waited for is told too, from the request's last byte on: a caller that sends slowly makes no endpoint slow.
 */
export const eject = ({ clock }: Kit): Filter<Attempt> =>
  async function eject(attempt, next) {
    if (attempt.beside) return next(attempt);
    const { call, endpoint, begunAt } = attempt;
    const { epoch } = endpoint;
    const grantedMs = call.deadlineAt - begunAt;
    try {
      const reply = await next(attempt);
      if (call.body.ended) {
        const now = clock.now();
        const answered = reply.over === null || (reply.over.from === 'peer' && !isServerFault(reply.over));
        endpoint.took(now - Math.max(begunAt, call.life.touchedAt), now, answered);
      }
      if (reply.over !== null)
        endpoint.judge(verdictOf(reply.over, grantedMs, call.deadlineAt - clock.now()), epoch, reply.over);
      else {
        if (endpoint.gate === 'probing') endpoint.begun(epoch);
        call.life.witness(new Hearing(clock, attempt, epoch, grantedMs));
      }
      return reply;
    } catch (bug) {
      endpoint.judge('neutral', epoch);
      throw bug;
    }
  };

/** Tells the endpoint how the call ended. */
class Hearing implements Witness {
  earlier: Witness | null = null;
  readonly #clock: Clock;
  readonly #attempt: Attempt;
  readonly #epoch: number;
  readonly #grantedMs: number;

  constructor(clock: Clock, attempt: Attempt, epoch: number, grantedMs: number) {
    this.#clock = clock;
    this.#attempt = attempt;
    this.#epoch = epoch;
    this.#grantedMs = grantedMs;
  }

  over(status: Status): void {
    const { call, endpoint } = this.#attempt;
    // Without an answer nobody has asked for the time: those that end well are the most.
    const leftMs = status.from === 'peer' ? 0 : call.deadlineAt - this.#clock.now();
    const verdict = verdictOf(status, this.#grantedMs, leftMs);
    endpoint.judge(verdict, this.#epoch, status, call.arrival.arrivedAt);
  }
}
