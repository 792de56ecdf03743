import { type Cast, edges } from './cast.ts';
import { askCounters, type Counted, since } from './counters.ts';
import { type Line, readDiary } from './diary.ts';
import type { Member } from './member.ts';
import type { UserCall } from './services.ts';

/** What one member told during an act. */
export interface Page {
  readonly member: Member;
  /** Lines of its app. */
  readonly lines: readonly Line[];
  /** Counters of its sidecar; null when the sidecar was killed and took them along. */
  readonly counted: readonly Counted[] | null;
}

/** Everything that was told during an act, by name of member. */
export type Books = ReadonlyMap<string, Page>;

/** Opens the books: the answer reads what was told since. */
export const openLedger = async (cast: Cast): Promise<() => Promise<Books>> => {
  const members = [...cast.members.values()];
  const before = await Promise.all(
    members.map(async (member) => ({
      member,
      counted: await askCounters(member.admin),
      end: readDiary(member.diary).end,
    })),
  );
  return async () =>
    new Map(
      await Promise.all(
        before.map(async ({ member, counted, end }): Promise<[string, Page]> => {
          const now = await askCounters(member.admin).catch(() => null);
          const { lines } = readDiary(member.diary, end);
          return [member.name, { member, lines, counted: now === null ? null : since(counted, now) }];
        }),
      ),
    );
};

/** What the dead took along. */
export interface Loss {
  readonly member: string;
  /** Calls that were in flight there as it died. */
  readonly inFlight: number;
}

/** What a ledger found. */
export interface Audit {
  /** Numbers that were compared. */
  readonly compared: number;
  /** Where they differ, in words; empty when all agree. */
  readonly differences: readonly string[];
}

/**
 * Compares three independent counts of the same calls: what callers say they made (load generator and apps), what the
 * sidecars counted, and what apps say they served. They must agree exactly; about a member that was killed, within
 * the calls in flight.
 */
export const audit = (books: Books, users: readonly UserCall[], loss: Loss | null): Audit => {
  const differences: string[] = [];
  let compared = 0;
  const equal = (what: string, one: string, left: number, other: string, right: number, slack = 0): void => {
    compared++;
    if (Math.abs(left - right) > slack)
      differences.push(
        `${what}: ${one} ${left}, ${other} ${right}${slack > 0 ? ` (${slack} in flight)` : ''}`,
      );
  };
  const pages = [...books.values()];

  const made = tally(users.map(({ what, code }) => `${what} ${code}`));
  const told = tally(
    linesOf(pages, 'storefront', 'called').map((line) => `${line.peer}/${line.method} ${line.code}`),
  );
  for (const what of keysOf(made, told))
    equal(what, 'load generator', made.get(what) ?? 0, "storefront's log", told.get(what) ?? 0);

  for (const [caller, callee] of edges) {
    const called = linesOf(pages, caller, 'called').filter(({ peer }) => peer === callee);
    const out = pages
      .filter(({ member }) => member.service === caller)
      .flatMap(({ counted }) => counted ?? [])
      .filter((each) => each.direction === 'outbound' && each.service === callee);
    const callees = pages.filter(({ member }) => member.service === callee);
    const slack = callees.some(({ member }) => member.name === loss?.member) ? (loss?.inFlight ?? 0) : 0;

    const said = tally(called.map(({ method, code }) => `${method} ${code}`));
    const sent = tally(out.flatMap(({ method, code, calls }) => times(`${method} ${code}`, calls)));
    for (const what of keysOf(said, sent))
      equal(
        `${caller} -> ${callee} ${what}`,
        `${caller}'s log`,
        said.get(what) ?? 0,
        'its sidecar',
        sent.get(what) ?? 0,
      );

    const served = tally(
      callees.flatMap(({ lines }) =>
        lines
          .filter(({ event, peer }) => event === 'served' && peer === caller)
          .map(({ method, code }) => `${method} ${code}`),
      ),
    );
    const refused = tally(
      callees.flatMap(({ counted }) =>
        (counted ?? [])
          .filter((each) => each.direction === 'inbound' && each.service === caller && each.from !== 'peer')
          // The caller's sidecar went elsewhere with a call that the app never saw; a denial is final.
          .filter(({ code }) => code !== 'UNAVAILABLE')
          .flatMap(({ method, code, calls }) => times(`${method} ${code}`, calls)),
      ),
    );
    for (const what of keysOf(sent, served, refused)) {
      // What the dead did not answer is UNAVAILABLE at the caller, and nowhere else.
      if (slack > 0 && what.endsWith(' UNAVAILABLE')) continue;
      equal(
        `${caller} -> ${callee} ${what}`,
        `${caller}'s sidecar`,
        sent.get(what) ?? 0,
        `logs of ${callee}${refused.has(what) ? ' and refusals of its sidecar' : ''}`,
        (served.get(what) ?? 0) + (refused.get(what) ?? 0),
        slack,
      );
    }

    for (const { member, lines, counted } of callees) {
      if (counted === null) continue;
      const answered = tally(
        lines
          .filter(({ event, peer }) => event === 'served' && peer === caller)
          .map(({ method, code }) => `${method} ${code}`),
      );
      const inbound = tally(
        counted
          .filter((each) => each.direction === 'inbound' && each.service === caller && each.from === 'peer')
          .flatMap(({ method, code, calls }) => times(`${method} ${code}`, calls)),
      );
      for (const what of keysOf(answered, inbound))
        equal(
          `${caller} -> ${member.name} ${what}`,
          "the app's log",
          answered.get(what) ?? 0,
          'its sidecar',
          inbound.get(what) ?? 0,
        );
    }
  }
  return { compared, differences };
};

const linesOf = (pages: readonly Page[], service: string, event: Line['event']): Line[] =>
  pages
    .filter(({ member }) => member.service === service)
    .flatMap(({ lines }) => lines.filter((line) => line.event === event));

const times = (what: string, calls: number): string[] => Array<string>(calls).fill(what);

const tally = (all: readonly string[]): Map<string, number> => {
  const counts = new Map<string, number>();
  for (const each of all) counts.set(each, (counts.get(each) ?? 0) + 1);
  return counts;
};

const keysOf = (...maps: Map<string, number>[]): Set<string> =>
  new Set(maps.flatMap((map) => [...map.keys()]));
