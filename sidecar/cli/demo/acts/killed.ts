import { type Act, described, type Evidence } from '../act.ts';
import { wallMs } from '../diary.ts';
import type { Page } from '../ledger.ts';

const victim = 'inventory-2';
/** How long the sidecar outlives its app: in between it says of each call that the app never saw it. */
const outlivesMs = 300;
/** From then on nobody notices any more, in milliseconds after the death. */
const noticedMs = 2000;

/** An instance dies, its sidecar too, without a word. */
export const killed: Act = {
  name: 'killed',
  title: 'One instance of the inventory dies',
  promise: 'no call fails that never reached the dead instance; none at all after 2 s',
  play: async ({ cast, wait, tell }) => {
    // Else balancing by latency may have kept all calls from it, and there is nothing to defend.
    await cast.agent.policy('inventory', { balance: 'round-robin' });
    await wait(1500);
    const member = cast.member(victim);
    const at = wallMs();
    member.killApp();
    tell(`SIGKILL for the app of ${victim} (pid ${member.appPid})`);
    await wait(outlivesMs);
    member.killSidecar();
    tell(`SIGKILL for its sidecar too (pid ${member.sidecarPid})`);
    await wait(4500);
    return { at };
  },
  loss: (evidence) => ({ member: victim, inFlight: lost(evidence).size }),
  judge: (evidence) => {
    const { failed, at } = evidence;
    const excused = lost(evidence);
    return [
      ...failed
        .filter((call) => !call.reached || !excused.has(call.id))
        .map((call) => `failed without having reached ${victim}: ${described(call)}`),
      ...failed
        .filter(({ beganAt }) => beganAt > at + noticedMs)
        .map((call) => `failed ${Math.round(call.beganAt - at)} ms after the death: ${described(call)}`),
    ];
  },
  follow: ({ calls, failed, at }) =>
    failed[0] ?? calls.find(({ what, beganAt }) => what === 'orders/Place' && beganAt > at),
  restore: async ({ cast }) => {
    await cast.agent.policy('inventory', null);
    await cast.restart(victim);
  },
};

/**
 * Ids of the calls that were with the dead instance: begun in its app and not answered, or on their way when its
 * sidecar died.
 */
const lost = ({ books, at }: Evidence): ReadonlySet<string> => {
  const { lines } = books.get(victim)!;
  const answered = new Set(
    lines.filter(({ event }) => event === 'served').map(({ id, method }) => id + method),
  );
  const unanswered = lines.filter(({ event, id, method }) => event === 'began' && !answered.has(id + method));
  const during = [at, at + outlivesMs].flatMap((moment) => inFlightAt(books.get('orders')!, moment));
  return new Set([...unanswered.map(({ id }) => id), ...during]);
};

/** A machine that is busy takes longer to tell others that a process died, but not longer than this; milliseconds. */
const noticeMs = 500;

/** Calls that were with the victim at `moment`, or set out before the first failure told their sidecar of it. */
const inFlightAt = ({ lines }: Page, moment: number): string[] => {
  const calls = lines.filter(({ event, peer }) => event === 'called' && peer === 'inventory');
  const told = calls
    .filter(({ code, at }) => code !== 'OK' && at >= moment && at <= moment + noticeMs)
    .map(({ at }) => at);
  const noticedAt = Math.min(...told, moment + noticeMs);
  return (
    calls
      .filter(({ at, tookMs }) => at >= moment && at - tookMs <= (told.length === 0 ? moment : noticedAt))
      // A refusal that says it reached nobody is no loss.
      .filter(({ reached }) => reached)
      .map(({ id }) => id)
  );
};
