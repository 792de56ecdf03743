import type { Call } from '../core/call.ts';
import type { Filter } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import type { Count } from '../core/meter.ts';
import { refusal } from '../core/reply.ts';
import type { Access } from '../core/snapshot.ts';
import { Code, refused, type Status } from '../core/status.ts';
import { decisive } from '../policies/precedence.ts';

/** Whose calls are judged. */
export interface AuthorizeSettings {
  /** The name of the service beside us, which intentions call the destination. */
  readonly service: string;
  /** True while identity is `none`: nobody proves who calls. */
  readonly anonymous: boolean;
}

const mostCallers = 1000;

/**
 * Refuses callers that the intentions do not let in.
 *
 * Above   the app: so that it sees nobody who may not call
 * Reads   arrival.caller (from the verified certificate), snapshot.access
 * Answers PERMISSION_DENIED
 * Counts  outrigger_denied_total
 * Keeps   the answers for up to 1,000 callers under the latest access rules
 * Status  alpha
 *
 * The decisive intention is exact before wildcard, as in Consul; where none matches, the default that the source
 * reported holds. A caller whose certificate names no service is always refused. While identity is `none` nobody is
 * known: only a rule about `*` can refuse, the default does not, because it was meant for callers with a name.
 */
export const authorize = ({ meter, log }: Kit, { service, anonymous }: AuthorizeSettings): Filter<Call> => {
  let access: Access | null = null;
  let answers = new Map<string, Denial | null>();
  return function authorize(call, next) {
    if (call.snapshot.access !== access) {
      access = call.snapshot.access;
      answers = new Map();
    }
    const { caller } = call.arrival;
    let denial = answers.get(caller);
    if (denial === undefined) {
      const status = judge(access, caller, service, anonymous);
      denial = status === null ? null : { status, count: meter.count('outrigger_denied_total', caller) };
      // Callers have certificates of our own CA, so this many are not an attack, and forgetting costs one look.
      if (answers.size >= mostCallers) answers.clear();
      answers.set(caller, denial);
      if (status !== null) log.warn({ caller, service, id: call.id, method: call.method }, status.message);
    }
    if (denial === null) return next(call);
    denial.count.value++;
    return refusal(denial.status);
  };
};

/** What one caller is told, and where it is counted. */
interface Denial {
  readonly status: Status;
  readonly count: Count;
}

const judge = (access: Access, caller: string, service: string, anonymous: boolean): Status | null => {
  const from = caller === '' ? 'an unknown caller' : `'${caller}'`;
  if (caller === '' && !anonymous)
    return denied(`${from} may not call '${service}': its certificate names no service`);
  const intention = decisive(access.intentions, caller, service);
  if (intention !== null)
    return intention.allow
      ? null
      : denied(
          `${from} may not call '${service}': the intention '${intention.from}' to '${intention.to}' denies`,
        );
  if (access.allowByDefault || anonymous) return null;
  return denied(
    `${from} may not call '${service}': no intention allows it, and the default is deny (${access.because})`,
  );
};

const denied = (message: string): Status => refused(Code.PERMISSION_DENIED, message);
