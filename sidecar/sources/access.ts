import type { IntentionEntry } from '../consul/answers.ts';
import type { Answer, ConsulDoor, Question } from '../consul/door.ts';
import { reasonOf } from '../consul/errors.ts';
import type { Kit } from '../core/kit.ts';
import type { Access } from '../core/snapshot.ts';
import { intentionOf } from './intentions.ts';

/** What holds while Consul has never answered: nobody may call. */
export const notYet: Access = Object.freeze({
  intentions: Object.freeze([]),
  allowByDefault: false,
  because: 'Consul has not answered yet',
  awaited: true,
});

/** Asks who may call `service`, default included. One per source: it remembers the last default. */
export const accessQuestion = (
  door: ConsulDoor,
  service: string,
  kit: Kit,
): ((question: Question) => Promise<Answer<Access>>) => {
  let known: Pick<Access, 'allowByDefault' | 'because'> = {
    allowByDefault: false,
    because: 'Consul has not said the default yet',
  };

  /** What agent/connect/authorize says of a caller that nobody has heard of. */
  const askNobody = async (
    target: string,
    entries: readonly IntentionEntry[],
    signal: AbortSignal,
  ): Promise<void> => {
    let nobody = 'outrigger-asks-for-the-default';
    while (entries.some((entry) => entry.SourceName === nobody)) nobody += '-';
    const { Authorized, Reason } = await door.authorize(target, nobody, signal);
    known = { allowByDefault: Authorized, because: Reason === '' ? 'agent/connect/authorize' : Reason };
  };

  /** The default of callers that no intention is about. */
  const askDefault = async (entries: readonly IntentionEntry[], signal: AbortSignal): Promise<void> => {
    await askNobody(service, entries, signal).catch((thrown) => {
      const cause = reasonOf(thrown);
      kit.log.warn(
        { service, cause },
        'the default for callers without an intention is not known; the last holds',
      );
    });
  };

  /**
   * The default of calls that none of the permissions fits, where a rule is about everybody: nobody is left whom the
   * default would meet here, so that it is asked for another service. Where it cannot be told it is deny.
   */
  const askHidden = async (entries: readonly IntentionEntry[], signal: AbortSignal): Promise<void> => {
    if (entries.some(({ SourceName, DestinationName }) => SourceName === '*' && DestinationName === '*')) {
      known = { allowByDefault: false, because: "an intention '*' to '*' hides Consul's default" };
      return;
    }
    await askNobody(`${service}-default`, entries, signal).catch((thrown) => {
      known = { allowByDefault: false, because: `Consul does not tell its default: ${reasonOf(thrown)}` };
    });
  };

  return async (question) => {
    const answer = await door.intentions(service, question);
    const entries = answer.value.filter((entry) => entry.SourcePeer === '');
    // Where a rule is about everybody, there is nobody left for the default.
    if (!entries.some((entry) => entry.SourceName === '*')) await askDefault(entries, question.signal);
    else if (entries.some(({ Permissions }) => Permissions.length > 0))
      await askHidden(entries, question.signal);
    return { ...answer, value: { intentions: entries.map(intentionOf), ...known } };
  };
};
