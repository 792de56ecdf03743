import type { Life } from './life.ts';

/**
 * What one sidecar says of one call: whole milliseconds.
 *
 * @example
 * const error: unknown = await inventory.reserve({ sku: 'slow' }, { timeout: 100 }).catch((thrown) => thrown);
 * if (error instanceof MeshError) for (const { from, to, there } of error.ledger) console.log(from, to, there);
 */
export interface Hop {
  /** The service whose sidecar speaks. */
  readonly from: string;
  /** The service that it called, or the empty string for a call that came in. */
  readonly to: string;
  readonly pick: number;
  readonly queue: number;
  readonly connect: number;
  readonly wait: number;
  /** At the peer for a call that left, at our own app for one that came in. */
  readonly there: number;
}

/** A trailer must stay small beside the app's own: a caller's header list has a limit. */
const longest = 1024;
const mostHops = 16;

const name = '[A-Za-z0-9._-]{1,128}';
const hopPattern = new RegExp(
  `^(${name})(?:>(${name}))?((?:;(?:pick|queue|connect|wait|peer|app)=\\d{1,9}){0,5})$`,
);

/** The hop that a call's life adds up to, `now` in monotonic milliseconds. */
export const hopOf = (life: Life, from: string, to: string, now: number): Hop => {
  // Both ends are whole: a single one is as good as none.
  const picked = life.spent('pickMs', now);
  const pick = picked > 1 ? picked : 0;
  const queue = life.spent('queueMs', now);
  const connect = life.spent('connectMs', now);
  const wait = life.spent('waitMs', now);
  const rest = Math.max(0, Math.floor(now) - life.bornAt - pick - queue - connect - wait);
  const isSent = life.sentAt > 0;
  return { from, to, pick: isSent ? pick : pick + rest, queue, connect, wait, there: isSent ? rest : 0 };
};

/** What a hop spent, `connect=12;peer=180`; empty where it was nothing. */
export const itemsOf = ({ to, pick, queue, connect, wait, there }: Hop): string => {
  const items: string[] = [];
  const add = (item: string, ms: number): void => void (ms > 0 && items.push(`${item}=${ms}`));
  add('pick', pick);
  add('queue', queue);
  add('connect', connect);
  add('wait', wait);
  add(to === '' ? 'app' : 'peer', there);
  return items.join(';');
};

/** A ledger with one hop more: `orders;app=20,web>orders;connect=12;peer=21`. The oldest make room. */
export const withHop = (ledger: string, hop: Hop): string => {
  const who = hop.to === '' ? plain(hop.from) : `${plain(hop.from)}>${plain(hop.to)}`;
  const items = itemsOf(hop);
  const hops = ledger === '' ? [] : ledger.split(',');
  hops.push(items === '' ? who : `${who};${items}`);
  let text = hops.slice(-mostHops).join(',');
  while (text.length > longest) text = text.slice(text.indexOf(',') + 1);
  return text;
};

/** What a ledger says, the farthest hop first; null when it is none. */
export const readLedger = (text: string): readonly Hop[] | null => {
  if (text.length > longest) return null;
  const hops: Hop[] = [];
  for (const each of text.split(',')) {
    const [found, from = '', to = '', items = ''] = hopPattern.exec(each) ?? [];
    if (found === undefined) return null;
    const said = new Map(
      items
        .split(';')
        .map((item) => [item.slice(0, item.indexOf('=')), Number(item.slice(item.indexOf('=') + 1))]),
    );
    const of = (item: string): number => said.get(item) ?? 0;
    const there = of(to === '' ? 'app' : 'peer');
    hops.push({
      from,
      to,
      pick: of('pick'),
      queue: of('queue'),
      connect: of('connect'),
      wait: of('wait'),
      there,
    });
  }
  return hops.length > mostHops ? null : hops;
};

/** Milliseconds of a whole hop. */
export const totalOf = ({ pick, queue, connect, wait, there }: Hop): number =>
  pick + queue + connect + wait + there;

/** Who had the most of the time: `the app of 'orders': 250 of 300 ms`; empty where it was nothing. */
export const mostOf = (hops: readonly Hop[]): string => {
  let most = 0;
  let who = '';
  hops.forEach((hop, at) => {
    // What the hop before this one accounts for was not spent by who stands between the two.
    const deeper = hops[at - 1];
    const isKnown =
      deeper !== undefined && deeper.from === (hop.to || hop.from) && (deeper.to === '') !== (hop.to === '');
    const between = isKnown ? hop.there - totalOf(deeper) : hop.there;
    for (const [ms, named] of [
      [hop.pick, `the sidecar of '${hop.from}'`],
      [hop.queue, `waiting for room on the connections ${wayOf(hop)}`],
      [hop.connect, `connecting ${wayOf(hop)}`],
      [hop.wait, `waiting between attempts ${wayOf(hop)}`],
      [
        between,
        hop.to === '' ? `the app of '${hop.from}'` : isKnown ? `the way ${wayOf(hop)}` : `'${hop.to}'`,
      ],
    ] as const)
      if (ms > most) {
        most = ms;
        who = named;
      }
  });
  return who === '' ? '' : `${who}: ${most} of ${totalOf(hops.at(-1)!)} ms`;
};

const wayOf = ({ from, to }: Hop): string =>
  to === '' ? `to the app of '${from}'` : `from '${from}' to '${to}'`;

/** For people, one line a hop: `web>orders  connect 12 ms, peer 21 ms`. */
export const linesOf = (hops: readonly Hop[]): readonly string[] =>
  hops.map((hop) => {
    const items = itemsOf(hop).replaceAll('=', ' ').replaceAll(';', ' ms, ');
    return `${hop.to === '' ? hop.from : `${hop.from}>${hop.to}`}  ${items === '' ? 'less than 1' : items} ms`;
  });

/** Names are of services; one that is not must not break the text. */
const plain = (text: string): string => text.replace(/[^A-Za-z0-9._-]/g, '_').slice(0, 128) || '_';
