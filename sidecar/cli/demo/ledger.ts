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

/** Everything that was told during an act, by name of member; one that was replaced meanwhile has `name, before`. */
export type Books = ReadonlyMap<string, Page>;

/** What a member had told when the books were opened; one that came later, nothing. */
interface Opening {
  readonly member: Member;
  readonly counted: readonly Counted[];
  readonly end: number;
}

/** Opens the books: the answer reads what was told since. */
export const openLedger = async (cast: Cast): Promise<() => Promise<Books>> => {
  const before = await Promise.all(
    [...cast.members.values()].map(
      async (member): Promise<Opening> => ({
        member,
        counted: await askCounters(member.admin),
        end: readDiary(member.diary).end,
      }),
    ),
  );
  return async () => {
    const met = new Set(before.map(({ member }) => member));
    const came = [...cast.members.values()].filter((member) => !met.has(member));
    const all = [...before, ...came.map((member): Opening => ({ member, counted: [], end: 0 }))];
    return new Map(
      await Promise.all(
        all.map(async ({ member, counted, end }): Promise<[string, Page]> => {
          const now = await askCounters(member.admin).catch(() => null);
          const { lines } = readDiary(member.diary, end);
          const page = { member, lines, counted: now === null ? null : since(counted, now) };
          return [cast.members.get(member.name) === member ? member.name : `${member.name}, before`, page];
        }),
      ),
    );
  };
};
