import type { Policies, Policy, ServicePolicy } from './policy.ts';

/** What two values of one policy do to each other, in words, or null where they get along. */
interface Rule {
  /** The paths of the values, of which at least one must have been said by somebody. */
  readonly of: readonly string[];
  readonly judge: (policy: Policy) => string | null;
}

/** The longest that a call to this may take, milliseconds, as far as the policy knows. */
const longestMs = ({ timeout, unary, 'unary-timeout': unaryTimeout }: Policy): number =>
  timeout ?? (unary ? unaryTimeout : null) ?? Number.POSITIVE_INFINITY;

const rules: readonly Rule[] = [
  {
    of: ['hedge.after', 'idempotent'],
    judge: ({ hedge, idempotent }) =>
      hedge.after !== null && !idempotent
        ? 'hedges, but the method is not known to be idempotent: no second attempt is made; say idempotent: true if it is'
        : null,
  },
  {
    of: ['hedge.after', 'timeout', 'unary-timeout'],
    judge: (policy) =>
      typeof policy.hedge.after === 'number' && policy.hedge.after >= longestMs(policy)
        ? `hedges after ${policy.hedge.after} ms, but calls end after ${longestMs(policy)} ms: lower hedge.after`
        : null,
  },
  {
    of: ['hedge.after', 'retry.attempts'],
    judge: ({ hedge, origins }) =>
      hedge.after !== null && 'retry.attempts' in origins
        ? 'hedges and retries: a call that hedges is only tried again where no peer saw it; keep one of the two'
        : null,
  },
  {
    of: ['retry.codes'],
    judge: ({ idempotent, origins }) =>
      'retry.codes' in origins && !idempotent
        ? 'retries by code, but the method is not known to be idempotent: only what no peer saw is tried again; say idempotent: true if it is'
        : null,
  },
  {
    of: ['retry.first-wait', 'retry.longest-wait'],
    judge: ({ retry }) =>
      retry['first-wait'] > retry['longest-wait']
        ? `waits ${retry['first-wait']} ms before a retry, but ${retry['longest-wait']} ms at most: raise retry.longest-wait`
        : null,
  },
  {
    of: ['retry.first-wait', 'timeout', 'unary-timeout'],
    judge: (policy) =>
      policy.retry.attempts > 1 && policy.retry['first-wait'] >= longestMs(policy)
        ? `waits ${policy.retry['first-wait']} ms before a retry, but calls end after ${longestMs(policy)} ms: no retry fits`
        : null,
  },
  {
    of: ['connect', 'timeout', 'unary-timeout'],
    judge: (policy) =>
      policy.connect > longestMs(policy)
        ? `connects for ${policy.connect} ms, but calls end after ${longestMs(policy)} ms: a peer that cannot be reached costs the whole call; lower connect`
        : null,
  },
  {
    of: ['budget.mode', 'budget.percent', 'budget.floor'],
    judge: ({ budget, retry, hedge }) =>
      budget.mode === 'on' &&
      budget.percent === 0 &&
      budget.floor === 0 &&
      (retry.attempts > 1 || hedge.after !== null)
        ? 'has a budget of nothing: nothing is tried again that a peer may have seen; say retry: { attempts: 1 } if that is meant'
        : null,
  },
  {
    of: ['eject.most', 'eject.mode'],
    judge: ({ eject }) =>
      eject.mode === 'on' && eject.most > 50
        ? `may take ${eject.most} % of the endpoints out: those that are left get more than twice their load; keep eject.most at 50 or below`
        : null,
  },
  {
    of: ['eject.most', 'eject.mode'],
    judge: ({ eject }) =>
      eject.mode === 'on' && eject.most === 0
        ? 'ejects, but no endpoint may be out: say eject: { mode: shadow } if that is meant'
        : null,
  },
  {
    of: ['breaker.failures', 'eject.failures'],
    judge: ({ breaker, eject }) =>
      breaker.mode === 'on' && eject.mode === 'on' && breaker.failures < eject.failures
        ? `shuts the service after ${breaker.failures} failures, before an endpoint is out after ${eject.failures}: raise breaker.failures`
        : null,
  },
  {
    of: ['timeout', 'idle-stream'],
    judge: (policy) =>
      policy.timeout !== null && 'idle-stream' in policy.origins
        ? 'has a timeout and an idle-stream: every call has a deadline, so that idle-stream never acts; remove it'
        : null,
  },
];

/**
 * Names values of policies that fight each other, a sentence each, with the service or method and who said what.
 * What is built in gets along: only what somebody said is judged.
 */
export const policyConflicts = ({ any, services }: Pick<Policies, 'any' | 'services'>): string[] => [
  ...conflictsOf("'*'", any),
  ...[...services].flatMap(([name, policy]) => conflictsOf(`'${name}'`, policy)),
];

const conflictsOf = (name: string, { all, methods }: ServicePolicy): string[] => {
  const common = judged(all);
  const own = [...(methods ?? [])].flatMap(([method, policy]) =>
    judged(policy)
      // What holds for the whole service is told once.
      .filter((what) => !common.includes(what))
      .map((what) => `the policy of ${name} for ${method} ${what}`),
  );
  return [...common.map((what) => `the policy of ${name} ${what}`), ...own];
};

const judged = (policy: Policy): string[] =>
  rules.flatMap(({ of, judge }) => {
    const said = of.filter((path) => path in policy.origins);
    const what = said.length === 0 ? null : judge(policy);
    if (what === null) return [];
    return [`${what} (${said.map((path) => `${path}: ${policy.origins[path]}`).join('; ')})`];
  });
