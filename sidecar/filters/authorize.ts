import type { Call } from '../core/call.ts';
import type { Cell } from '../core/cell.ts';
import type { Filter } from '../core/filter.ts';
import type { Kit } from '../core/kit.ts';
import type { Count } from '../core/meter.ts';
import { type RefusalRecord, Refusals } from '../core/refusals.ts';
import { refusal } from '../core/reply.ts';
import type { Access, Intention, Snapshot } from '../core/snapshot.ts';
import { Code, refused, type Status } from '../core/status.ts';
import { timer } from '../core/wheel.ts';
import { type PermissionJudge, permissionJudge } from '../policies/permissions.ts';
import { decisive } from '../policies/precedence.ts';

/** Whose calls are judged. */
export interface AuthorizeSettings {
  /** The name of the service beside us, which intentions call the destination. */
  readonly service: string;
  /** True while identity is `none`: nobody proves who calls. */
  readonly anonymous: boolean;
  /** True: refusals are told and counted, and the calls pass. Default false. */
  readonly audit?: boolean;
  /** Where refusals are kept for people. */
  readonly refusals?: Refusals;
  /** Calls that were let in, to be judged again when the access rules change; absent: what has begun goes on. */
  readonly inProgress?: InProgress;
}

/** The calls that are in progress, and where later access rules come from. */
export interface InProgress {
  readonly snapshots: Cell<Snapshot>;
  /** As they go to the app. Asked only when the rules have changed. */
  calls(): readonly Call[];
}

const mostCallers = 1000;
/** Methods of a caller whose answers are kept; they are the caller's to choose. */
const mostMethods = 1000;
/**
 * How long a call may go on whose request is whole and whose answer has not begun, milliseconds. It may be unary, and then
 * the app is at work on what its caller was allowed to ask; headers do not tell, and a silent stream must end too.
 */
const graceMs = 5000;

/**
 * Refuses calls that the intentions do not let in.
 *
 * Above   the app: so that it sees nobody who may not call
 * Reads   arrival.caller (from the verified certificate), snapshot.access; method and headers where permissions ask
 * Answers PERMISSION_DENIED
 * Counts  outrigger_denied_total, outrigger_would_deny_total
 * Keeps   the answers for up to 1,000 callers under the latest access rules, and who was refused by what; one timer
 *         while calls that may no longer go on have time to finish
 * Status  alpha
 *
 * The decisive intention is exact before wildcard, as in Consul; of its permissions the first that fits decides. Where
 * none matches, the default that the source reported holds. A caller whose certificate names no service is always
 * refused. While identity is `none` nobody is known: only a rule about `*` can refuse, the default does not, because
 * it was meant for callers with a name.
 *
 * When the rules change, calls in progress are judged again, and those that would not be let in now end.
 */
export const authorize = (kit: Kit, settings: AuthorizeSettings): Filter<Call> => {
  const rules = new Rules(kit, settings);
  const { audit = false, inProgress } = settings;
  if (inProgress !== undefined) judgeAgain(kit, rules, inProgress, audit);
  return function authorize(call, next) {
    const denial = rules.denialOf(call);
    if (denial === null) return next(call);
    denial.count.value++;
    denial.record.calls++;
    return audit ? next(call) : refusal(denial.status);
  };
};

/** Judges the calls in progress whenever the access rules are others, and once more when the time to finish is over. */
const judgeAgain = (kit: Kit, rules: Rules, { snapshots, calls }: InProgress, audit: boolean): void => {
  let { access } = snapshots.value;
  const look = (isLast: boolean): void => {
    for (const call of calls()) {
      const denial = rules.denialOf(call, access);
      if (denial === null) continue;
      const { reached } = call.life;
      if (!audit && !isLast && reached && call.body.ended && call.life.responseBytes === 0) {
        // The first that was left alone sets the time for all: changes upon changes must not put it off.
        if (last.slot < 0) kit.wheel.arm(last, graceMs);
        continue;
      }
      denial.count.value++;
      denial.record.calls++;
      const message = `${denial.status.message}; the call was in progress when that changed`;
      if (!audit) call.life.cancel({ ...denial.status, message, reached });
    }
  };
  const last = timer(() => look(true));
  snapshots.listen((snapshot) => {
    if (snapshot.access === access) return;
    access = snapshot.access;
    look(false);
  });
};

/** Consul's form of an id that is not of the default namespace. */
const elsewhere = /^(?:ap\/[^/]+\/)?ns\/[^/]+\/dc\/[^/]+\/svc\/[^/]+$/;

/** What one caller is told, and where it is counted. */
interface Denial {
  readonly status: Status;
  readonly count: Count;
  readonly record: RefusalRecord;
}

/** What holds for all calls of one caller: pass, refuse, or look at the permissions. */
type Ruling = null | Denial | ByPermission;

/** Why a call is refused, in words; null for none. */
type Reason = string | null;

/** The answers under the latest access rules. */
class Rules {
  readonly #kit: Kit;
  readonly #settings: AuthorizeSettings;
  readonly #refusals: Refusals;
  #access: Access | null = null;
  #rulings: Map<string, Ruling> = new Map();
  #judges: Map<Intention, PermissionJudge> = new Map();

  constructor(kit: Kit, settings: AuthorizeSettings) {
    this.#kit = kit;
    this.#settings = settings;
    this.#refusals = settings.refusals ?? new Refusals();
  }

  denialOf(call: Call, access: Access = call.snapshot.access): Denial | null {
    if (access !== this.#access) {
      this.#access = access;
      this.#rulings = new Map();
      this.#judges = new Map();
    }
    const { caller } = call.arrival;
    let ruling = this.#rulings.get(caller);
    if (ruling === undefined) {
      ruling = this.#rule(access, caller, call);
      // Callers have certificates of our own CA, so this many are not an attack, and forgetting costs one look.
      if (this.#rulings.size >= mostCallers) this.#rulings.clear();
      this.#rulings.set(caller, ruling);
    }
    return ruling instanceof ByPermission ? ruling.denialOf(call) : ruling;
  }

  #rule(access: Access, caller: string, call: Call): Ruling {
    const { service, anonymous } = this.#settings;
    const from = caller === '' ? 'an unknown caller' : `'${caller}'`;
    const deny = (why: Reason, at: Call): Denial | null => (why === null ? null : this.#denial(why, at));
    if (caller === '' && !anonymous)
      return deny(`${from} may not call '${service}': its certificate names no service`, call);
    if (elsewhere.test(caller))
      return deny(
        `${from} may not call '${service}': its certificate is of a namespace or partition, and intentions on those are not read`,
        call,
      );
    const passes = access.allowByDefault || anonymous;
    const intention = decisive(access.intentions, caller, service);
    if (intention === null)
      return deny(
        passes
          ? null
          : `${from} may not call '${service}': no intention allows it, and the default is deny (${access.because})`,
        call,
      );
    const rule = `the intention '${intention.from}' to '${intention.to}'`;
    const { permissions } = intention;
    if (permissions === undefined)
      return deny(intention.allow ? null : `${from} may not call '${service}': ${rule} denies`, call);
    const judge = this.#judgeOf(intention);
    const start = `${from} may not make this call to '${service}': `;
    const reasons = permissions.map(({ allow }, index): Reason => {
      const why = judge.unclear[index]!;
      if (why !== null)
        return `${start}permission ${index + 1} of ${rule} cannot be kept, and refuses what comes to it: ${why}`;
      return allow ? null : `${start}permission ${index + 1} of ${rule} denies`;
    });
    const otherwise = passes
      ? null
      : `${start}no permission of ${rule} allows it, and the default is deny (${access.because})`;
    return new ByPermission(judge, [...reasons, otherwise], deny);
  }

  /** One judge for all callers of a wildcard: making it reads patterns. */
  #judgeOf(intention: Intention): PermissionJudge {
    let judge = this.#judges.get(intention);
    if (judge === undefined) {
      judge = permissionJudge(intention.permissions ?? []);
      this.#judges.set(intention, judge);
    }
    return judge;
  }

  #denial(why: string, call: Call): Denial {
    const { service, audit = false } = this.#settings;
    const { meter, log } = this.#kit;
    const { caller } = call.arrival;
    const fields = { caller, service, id: call.id, method: call.method };
    log.warn(fields, audit ? `intentions are only watched; else: ${why}` : why);
    const metric = audit ? 'outrigger_would_deny_total' : 'outrigger_denied_total';
    return {
      status: refused(Code.PERMISSION_DENIED, why),
      count: meter.count(metric, caller),
      record: this.#refusals.of(caller, why),
    };
  }
}

/** The answers for one caller, call by call. */
class ByPermission {
  readonly #judge: PermissionJudge;
  readonly #reasons: readonly Reason[];
  readonly #deny: (why: Reason, call: Call) => Denial | null;
  /** By the index of the permission, the default last; told of once each. */
  readonly #denials: (Denial | null | undefined)[];
  /** Null where headers count. */
  readonly #byMethod: Map<string, Denial | null> | null;

  /** `reasons`: one for each permission, and one for a call that none fits. */
  constructor(
    judge: PermissionJudge,
    reasons: readonly Reason[],
    deny: (why: Reason, call: Call) => Denial | null,
  ) {
    this.#judge = judge;
    this.#reasons = reasons;
    this.#deny = deny;
    this.#denials = reasons.map(() => undefined);
    this.#byMethod = judge.readsHeaders ? null : new Map();
  }

  denialOf(call: Call): Denial | null {
    const known = this.#byMethod?.get(call.method);
    if (known !== undefined) return known;
    const found = this.#judge.decide(call);
    const index = found < 0 ? this.#reasons.length - 1 : found;
    let denial = this.#denials[index];
    if (denial === undefined) {
      denial = this.#deny(this.#reasons[index]!, call);
      this.#denials[index] = denial;
    }
    if (this.#byMethod !== null) {
      if (this.#byMethod.size >= mostMethods) this.#byMethod.clear();
      this.#byMethod.set(call.method, denial);
    }
    return denial;
  }
}
