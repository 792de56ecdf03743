import { setTimeout as pause } from 'node:timers/promises';
import type { Act, Evidence, Scene } from './act.ts';
import { type Audit, audit } from './audit.ts';
import { follow, type Trace } from './follow.ts';
import { type Books, openLedger } from './ledger.ts';
import type { UserCall } from './services.ts';

/** How an act went. */
export interface Outcome {
  readonly act: string;
  readonly title: string;
  readonly promise: string;
  readonly kept: boolean;
  /** Why not: broken promises, then counts that differ. */
  readonly broken: readonly string[];
  readonly calls: number;
  readonly failures: number;
  /** Code to number of the failures. */
  readonly codes: Readonly<Record<string, number>>;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Numbers of the ledger that were compared. */
  readonly compared: number;
  readonly followed: { readonly id: string; readonly traces: readonly Trace[] } | null;
}

/** Users' calls in a second. */
export const callsPerSecond = 100;
/** How long the last lines and counters of an act may take to be written, in milliseconds. */
const booksMs = 1000;

/** Plays one act under load, audits and judges it. */
export const perform = async (act: Act, scene: Scene): Promise<Outcome> => {
  const { cast } = scene;
  const storefront = cast.member('storefront').stage;
  const close = await openLedger(cast);
  await storefront.play({ callsPerSecond });
  const { at, found = [] } = await act.play(scene);
  const { calls } = await storefront.pause({});
  const { evidence, checked } = await settleBooks(act, { calls, at, found }, close);
  const broken = [
    ...found,
    ...endedUnasked(evidence, act, scene),
    ...act.judge(evidence),
    ...checked.differences.map((each) => `counts differ: ${each}`),
  ];
  const shown =
    act.follow?.(evidence) ?? calls.findLast(({ what, code }) => what === 'orders/Place' && code === 'OK');
  const { failed } = evidence;
  return {
    act: act.name,
    title: act.title,
    promise: act.promise,
    kept: broken.length === 0,
    broken,
    calls: calls.length,
    failures: failed.length,
    codes: countCodes(failed),
    p50: quantile(calls, 0.5),
    p99: quantile(calls, 0.99),
    compared: checked.compared,
    followed: shown === undefined ? null : { id: shown.id, traces: follow(evidence.books, shown.id) },
  };
};

/** Processes that ended though nobody killed them. */
const endedUnasked = (evidence: Evidence, act: Act, { cast }: Scene): string[] => {
  const victim = act.loss?.(evidence).member;
  return [...evidence.books.values()]
    .filter(({ member }) => member.name !== victim && cast.members.get(member.name) === member)
    .flatMap(({ member }) => member.ended());
};

/** Reads the books until they agree, or until their time is over: a sidecar counts a call just after its last byte. */
const settleBooks = async (
  act: Act,
  { calls, at, found }: Pick<Evidence, 'calls' | 'at' | 'found'>,
  close: () => Promise<Books>,
): Promise<{ evidence: Evidence; checked: Audit }> => {
  const until = performance.now() + booksMs;
  for (;;) {
    const books = await close();
    const failed = calls.filter(({ code }) => code !== 'OK');
    const evidence: Evidence = { calls, failed, at, found, books };
    const checked = audit(books, calls, act.loss?.(evidence) ?? null, act.late?.(evidence));
    if (checked.differences.length === 0 || performance.now() > until) return { evidence, checked };
    await pause(50);
  }
};

const countCodes = (failed: readonly UserCall[]): Record<string, number> => {
  const codes: Record<string, number> = {};
  for (const { code } of failed) codes[code] = (codes[code] ?? 0) + 1;
  return codes;
};

/** The latency, in milliseconds, that the given share of all calls kept within. */
export const quantile = (calls: readonly UserCall[], share: number): number => {
  const sorted = calls.map(({ tookMs }) => tookMs).sort((one, other) => one - other);
  const at = Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1);
  return Math.round((sorted[Math.max(0, at)] ?? 0) * 100) / 100;
};
