import type { Cast } from './cast.ts';
import { askCounters, type Counted, since } from './counters.ts';
import { type Line, readDiary } from './diary.ts';
import type { Member } from './member.ts';

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
