import type { Answer, Question } from '../../consul/door.ts';
import type { Clock } from '../../core/kit.ts';

/** A question of a watch. */
type Ask<T> = (question: Question) => Promise<Answer<T>>;

/** What nobody has called for so long is looked up seldom, milliseconds. */
const idleAfterMs = 30_000;
/** How seldom, milliseconds: the first calls to it may meet what is so old, until the next look. */
const seldomMs = 5000;

/**
 * Lets looks into the agent's cache be few while nobody calls what is asked about: in between, the answer before is
 * given again. The first call makes the next look a real one. Questions that hang cost nothing, and are always asked.
 */
export const lazily = <T>(clock: Clock, wantedAt: () => number, ask: Ask<T>): Ask<T> => {
  let last: { readonly answer: Answer<T>; readonly askedAt: number } | null = null;
  return async (question) => {
    const askedAt = clock.now();
    const isIdle = askedAt - wantedAt() >= idleAfterMs;
    if (question.cached === true && isIdle && last !== null && askedAt - last.askedAt < seldomMs)
      return last.answer;
    const answer = await ask(question);
    last = { answer, askedAt };
    return answer;
  };
};
