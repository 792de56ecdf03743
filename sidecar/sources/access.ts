import type { IntentionEntry } from '../consul/answers.ts';
import type { Answer, ConsulDoor, Question } from '../consul/door.ts';
import { reasonOf } from '../consul/errors.ts';
import type { Kit } from '../core/kit.ts';
import type { Access, Intention } from '../core/snapshot.ts';

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
  let trustDomain = '';

  /** What agent/connect/authorize says of a caller that nobody has heard of. */
  const askDefault = async (entries: readonly IntentionEntry[], signal: AbortSignal): Promise<void> => {
    let nobody = 'outrigger-asks-for-the-default';
    while (entries.some((entry) => entry.SourceName === nobody)) nobody += '-';
    if (trustDomain === '') trustDomain = (await door.roots({ signal })).value.TrustDomain;
    const caller = `spiffe://${trustDomain}/ns/default/dc/dc1/svc/${nobody}`;
    const { Authorized, Reason } = await door.authorize(service, caller, signal);
    known = { allowByDefault: Authorized, because: Reason === '' ? 'agent/connect/authorize' : Reason };
  };

  return async (question) => {
    const answer = await door.intentions(service, question);
    const entries = answer.value.filter((entry) => entry.SourcePeer === '');
    // Where a rule is about everybody, there is nobody left for the default.
    if (!entries.some((entry) => entry.SourceName === '*')) {
      await askDefault(entries, question.signal).catch((thrown) => {
        trustDomain = '';
        const cause = reasonOf(thrown);
        kit.log.warn(
          { service, cause },
          'the default for callers without an intention is not known; the last holds',
        );
      });
    }
    return { ...answer, value: { intentions: entries.map(intention), ...known } };
  };
};

/**
 * Consul answers in the order of precedence, most exact first; it is kept. A rule per request has no action of
 * its own: we judge callers only, and must not let in more than was meant, so that it counts as deny.
 */
const intention = ({ SourceName, DestinationName, Action }: IntentionEntry): Intention => ({
  from: SourceName,
  to: DestinationName,
  allow: Action === 'allow',
});
