import { callCircle } from '../support/call-circle.ts';
import { besideAttack, type Seen } from '../support/hostile-app.ts';
import { floods, type Pairs } from '../support/odd-metadata.ts';
import { sumOf, twoSidecars } from '../support/sidecars.ts';
import type { Finding, Row } from './row.ts';

const exhausted = 8;

/** Two services that call each other, and apps that pass their baggage on or do not. */
const circle = async (): Promise<Finding> => {
  const { ended, reached, refused } = await callCircle({ giveUpAt: 60 });
  const control = await callCircle({ giveUpAt: 60, passOn: () => '' });
  return {
    measured: `code ${ended.code} after ${reached} hops`,
    control: `apps that drop baggage: ${control.reached} hops, until they gave up`,
    kept: ended.code === exhausted && reached === 16 && refused === 1 && control.reached === 60,
  };
};

/** Codes of calls with each of these, of one beside them, and the limits that were broken. */
const sent = async (
  all: readonly Pairs[],
  limits: Readonly<Record<string, unknown>> = {},
): Promise<{ codes: number[]; beside: number; breaches: number; seen: number }> => {
  const mesh = await twoSidecars({ caller: { limits }, callee: { limits } });
  try {
    const neighbour = mesh.connect('echo').bidi();
    const codes: number[] = [];
    for (const metadata of all) {
      const client = mesh.connect('echo', { 'grpc.primary_user_agent': `flood-${codes.length}` });
      codes.push((await client.call('Unary', 'm', { metadata })).code);
    }
    neighbour.call.write(Buffer.from('m'));
    neighbour.call.end();
    const { code: beside } = await neighbour.ended;
    const breaches = sumOf(mesh.caller, 'outrigger_limit_breaches_total', 'listener="app"');
    const unary = mesh.apps[0]!.seen.filter(({ path }) => path.endsWith('/Unary'));
    return { codes, beside, breaches, seen: unary.length };
  } finally {
    await mesh.close();
  }
};

const metadata = async (): Promise<Finding> => {
  const all = Object.values(floods);
  const { codes, beside, breaches, seen } = await sent(all);
  const control = await sent([floods['17 kB in one value']!], { 'header-list': '256KiB' });
  return {
    measured: `${codes.filter((code) => code === exhausted).length} of ${codes.length} refused, ${breaches} counted, ${seen} seen; beside it: code ${beside}`,
    control: `with a limit of 256 KiB ${control.seen} of 1 seen by the app`,
    kept:
      codes.every((code) => code === exhausted) &&
      breaches === codes.length &&
      seen === 0 &&
      beside === 0 &&
      control.seen === 1,
  };
};

const says = ({ calls, failed, peerBreaches, peerConnections }: Seen): string =>
  `${failed} of ${calls} failed; at the peer ${peerBreaches} breaches, ${peerConnections} connections`;

/** Attacks on what all connections of the port share, whose defence is one limit. */
const onShared = (attack: string): Row => ({
  id: 'T-67',
  fault: `an app ${attack}`,
  promise: '0 failed beside it, the peer sees no breach',
  run: async () => {
    const seen = await besideAttack(attack);
    const control = await besideAttack(attack, { 'reset-sample': 1_000_000 });
    return {
      measured: says(seen),
      control: says(control),
      kept:
        seen.failed === 0 &&
        seen.breaches > 0 &&
        seen.peerBreaches === 0 &&
        control.failed > 0 &&
        control.peerBreaches > 0,
    };
  },
});

/** Floods of one connection, each with the limit that ends it, and that limit lifted. */
const ownFloods: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  settings: { 'settings-frames': 1_000_000 },
  pings: { pings: 1_000_000 },
  priorities: { priorities: 1_000_000 },
  'empty data': { 'empty-data': 1_000_000 },
  'window updates': { 'window-updates': 1_000_000 },
};

const floodsOfOne = async (): Promise<Finding> => {
  let [calls, failed, peerBreaches, ended, lifted] = [0, 0, 0, 0, 0];
  for (const [attack, limits] of Object.entries(ownFloods)) {
    const seen = await besideAttack(attack);
    calls += seen.calls;
    failed += seen.failed;
    peerBreaches += seen.peerBreaches + seen.peerConnections - 1;
    if (seen.breaches > 0) ended++;
    if ((await besideAttack(attack, limits)).breaches === 0) lifted++;
  }
  const count = Object.keys(ownFloods).length;
  return {
    measured: `${ended} of ${count} ended, ${failed} of ${calls} failed beside them, ${peerBreaches} seen by the peer`,
    control: `limits lifted: ${lifted} of ${count} go on to their end`,
    kept: ended === count && failed === 0 && peerBreaches === 0 && lifted === count,
  };
};

/** What the app beside us, or whoever speaks as it, can do to its sidecar. */
export const localRows: readonly Row[] = [
  {
    id: 'T-65',
    fault: 'two services call each other',
    promise: 'RESOURCE_EXHAUSTED at 16 hops',
    run: circle,
  },
  {
    id: 'T-65',
    fault: 'metadata of 1,000 pairs, of 60 kB',
    promise: 'RESOURCE_EXHAUSTED, counted, others go on',
    run: metadata,
  },
  onShared('resets, and dials again'),
  onShared('hangs up, and dials again'),
  {
    id: 'T-67',
    fault: 'an app floods with 10^5 frames',
    promise: '0 failed beside it, the peer sees nothing',
    run: floodsOfOne,
  },
];
