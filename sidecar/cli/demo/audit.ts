import { edges } from './cast.ts';
import type { Line } from './diary.ts';
import type { Books, Page } from './ledger.ts';
import type { UserCall } from './services.ts';

/** What the dead took along, or the frozen kept: an app may have noted an answer that never left it. */
export interface Loss {
  readonly member: string;
  /** Calls that were in flight there as it died. */
  readonly inFlight: number;
}

/** What the comparison of all counts has found. */
export interface Audit {
  /** Numbers that were compared. */
  readonly compared: number;
  /** Where they differ, in words; empty when all agree. */
  readonly differences: readonly string[];
}

/** `Reserve OK` to a number of calls. */
type Tally = ReadonlyMap<string, number>;

/**
 * Compares independent counts of the same calls: what callers say they made (load generator, apps), what the sidecars
 * on both sides counted, and what apps say they served, by method and code. They must agree exactly; about a member
 * that was killed, within the calls in flight. `late`: calls that ran out of time, of which each hop may say that time
 * was over, or that its caller had gone, whichever it noticed first, and twice where an app and its sidecar both did.
 */
export const audit = (
  books: Books,
  users: readonly UserCall[],
  loss: Loss | null,
  late: number = 0,
): Audit => {
  const differences: string[] = [];
  let compared = 0;
  const compare = (edge: string, one: string, left: Tally, other: string, right: Tally, slack = 0): void => {
    for (const what of new Set([...left.keys(), ...right.keys()])) {
      // What the dead did not answer is UNAVAILABLE at the caller, and nowhere else.
      if (slack > 0 && what.endsWith(' UNAVAILABLE')) continue;
      const [a, b] = [left.get(what) ?? 0, right.get(what) ?? 0];
      compared++;
      if (Math.abs(a - b) <= (outOfTime.test(what) ? slack + late : slack)) continue;
      const allowed = slack > 0 ? ` (${slack} in flight at the death)` : '';
      differences.push(`${edge} ${what}: ${one} ${a}, ${other} ${b}${allowed}`);
    }
  };
  const pages = [...books.values()];
  for (const [caller, callee] of edges) {
    const edge = `${caller} -> ${callee}`;
    const callers = pages.filter(({ member }) => member.service === caller);
    const callees = pages.filter(({ member }) => member.service === callee);
    const said = lines(callers, 'called', callee);
    if (caller === 'storefront') compare(edge, 'load generator', made(users, callee), "the app's log", said);
    compare(
      edge,
      "the caller's log",
      said,
      'its sidecar',
      counters(callers, 'outbound', callee, () => true),
    );

    const slack = callees.some(({ member }) => member.name === loss?.member) ? (loss?.inFlight ?? 0) : 0;
    const arrived = plus(lines(callees, 'served', caller), counters(callees, 'inbound', caller, final));
    const sent = counters(
      callers,
      'outbound',
      callee,
      (from, code) => from === 'peer' || code !== 'UNAVAILABLE',
    );
    compare(edge, "the caller's sidecar", sent, "the callee's logs and refusals", arrived, slack);

    for (const page of callees) {
      // A killed sidecar took its counters along.
      if (page.counted === null) continue;
      const answered = counters([page], 'inbound', caller, (from) => from === 'peer');
      compare(
        `${caller} -> ${page.member.name}`,
        "the app's log",
        lines([page], 'served', caller),
        'its sidecar',
        answered,
        page.member.name === loss?.member ? loss.inFlight : 0,
      );
    }
  }
  return { compared, differences };
};

const outOfTime = / (?:DEADLINE_EXCEEDED|CANCELLED)$/;

/** A refusal that the caller is told; with UNAVAILABLE its sidecar goes elsewhere. */
const final = (from: string, code: string): boolean => from !== 'peer' && code !== 'UNAVAILABLE';

const made = (users: readonly UserCall[], service: string): Tally =>
  tally(
    users
      .filter(({ what }) => what.startsWith(`${service}/`))
      .map(({ what, code }) => [`${what.slice(service.length + 1)} ${code}`, 1]),
  );

const lines = (pages: readonly Page[], event: Line['event'], peer: string): Tally =>
  tally(
    pages
      .flatMap((page) => page.lines)
      .filter((line) => line.event === event && line.peer === peer)
      .map(({ method, code }) => [`${method} ${code}`, 1]),
  );

const counters = (
  pages: readonly Page[],
  direction: 'outbound' | 'inbound',
  service: string,
  wanted: (from: string, code: string) => boolean,
): Tally =>
  tally(
    pages
      .flatMap(({ counted }) => counted ?? [])
      .filter(
        (each) => each.direction === direction && each.service === service && wanted(each.from, each.code),
      )
      .map(({ method, code, calls }) => [`${method} ${code}`, calls]),
  );

const tally = (all: readonly (readonly [what: string, calls: number])[]): Tally => {
  const counts = new Map<string, number>();
  for (const [what, calls] of all) counts.set(what, (counts.get(what) ?? 0) + calls);
  return counts;
};

const plus = (one: Tally, other: Tally): Tally => tally([...one, ...other]);
