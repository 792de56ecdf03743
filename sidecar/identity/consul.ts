import { isDeepStrictEqual } from 'node:util';
import type { LeafAnswer, RootsAnswer } from '../consul/answers.ts';
import type { ConsulDoor } from '../consul/door.ts';
import { watch } from '../consul/watch.ts';
import { Cell } from '../core/cell.ts';
import type { Identity } from '../core/identity.ts';
import type { Kit } from '../core/kit.ts';
import { messageOf } from '../core/thrown.ts';
import { timer } from '../core/wheel.ts';
import { watchExpiry } from './expiry.ts';
import { LostRoots } from './lost-roots.ts';
import { isAnchored, pairUp } from './pair.ts';
import type { IdentitySource } from './source.ts';

/** Whose certificate is watched. */
export interface ConsulIdentityOptions {
  readonly door: ConsulDoor;
  /** The service that the certificate is for. */
  readonly service: string;
  readonly kit: Kit;
  readonly signal: AbortSignal;
  /** What an earlier run of us had: it stands in while Consul does not answer. */
  readonly kept?: Identity | null;
  /** Takes away that lost roots are believed: a run shows that it is needed. */
  readonly dropsLostRoots?: boolean;
}

/** A leaf and its key, as PEM. */
type Pair = Pick<Identity, 'certificate' | 'key'>;

/** How long Consul may take for its first answers before the identity that was kept stands in, milliseconds. */
const graceMs = 1000;

/**
 * Identity from Consul's own CA: roots and leaf by blocking queries, put together into one value.
 *
 * A leaf of a new root waits for that root, so that the pair in the cell always fits together; roots are taken as
 * soon as they come, so that peers with new leaves are believed. A root that Consul lost is believed for a while more:
 * see `LostRoots`.
 *
 * At a cold start, when Consul fails or says nothing for a second, the identity that was kept stands in, part by part.
 */
export const consulIdentity = (options: ConsulIdentityOptions): IdentitySource => {
  const { door, service, kit, signal, kept = null, dropsLostRoots = false } = options;
  const identity = new Cell<Identity | null>(null);
  const stop = new AbortController();
  const troubles: { roots: string | null; leaf: string | null; pair: string | null } = {
    roots: null,
    leaf: null,
    pair: null,
  };
  let roots: readonly string[] | null = null;
  let leaf: Pair | null = null;
  let standing: Identity | null = null;
  const inUse = kit.meter.count('outrigger_state_in_use', 'identity');

  const pair = ({ certificate, key }: Pair, anchors: readonly string[]): Identity =>
    pairUp({
      certificate,
      key,
      roots: anchors,
      places: {
        certificate: `the certificate from Consul at ${door.url}`,
        key: `the key from Consul at ${door.url}`,
        roots: `the list of roots from Consul at ${door.url}`,
      },
    });
  /** The pair that holds now, under the newest roots. */
  const publish = (): void => {
    const [shown, anchors] = [leaf ?? standing, roots === null ? standing?.roots : [...roots, ...lost.roots]];
    inUse.value = standing !== null && leaf === null ? 1 : 0;
    if (shown == null || anchors === undefined) return;
    try {
      let next = pair(shown, anchors);
      const before = identity.value;
      if (before !== null && !isAnchored(next)) {
        // Its root is on the way. Until then the leaf before goes on, believed with the roots of now.
        troubles.pair = 'the new certificate is not signed by any known root yet';
        kit.log.info({ service }, 'a new certificate waits for its root');
        next = { ...before, roots: next.roots };
      } else troubles.pair = null;
      next = Object.freeze({ ...next, alsoDomains: lost.trustDomains });
      if (isDeepStrictEqual(next, before)) return;
      identity.set(next);
      const fields = {
        spiffe: next.spiffe,
        validTo: new Date(next.validTo).toISOString(),
        roots: next.roots.length,
      };
      if (leaf === null)
        kit.log.warn(fields, 'Consul does not say who we are; the identity that was kept stands in');
      else kit.log.info(fields, before === null ? 'identity from Consul' : 'identity renewed from Consul');
    } catch (thrown) {
      troubles.pair = messageOf(thrown);
      kit.meter.count('outrigger_identities_refused_total', 'consul').value++;
      kit.log.error(
        { service, cause: troubles.pair },
        'an identity from Consul is not used; the one before holds',
      );
    }
  };

  const hangsOnLost = (): boolean => {
    const shown = identity.value;
    return shown !== null && roots !== null && !isAnchored({ ...shown, roots });
  };
  const lost = new LostRoots(kit, hangsOnLost, publish);

  const standIn = (): void => {
    kit.wheel.disarm(grace);
    if (kept === null || standing !== null || identity.value !== null) return;
    standing = kept;
    publish();
  };
  const grace = timer(standIn);
  if (kept !== null) kit.wheel.arm(grace, graceMs);

  const common = { about: service, mode: 'default', polls: door.polls, kit, signal: stop.signal } as const;
  void watch<RootsAnswer>({
    ...common,
    kind: 'roots',
    ask: (question) => door.roots(question),
    hear: (value) => {
      roots = value.Roots.map(({ RootCert }) => RootCert);
      if (!dropsLostRoots) lost.hear(value);
      publish();
    },
    trouble: (error) => {
      troubles.roots = error?.message ?? null;
      if (error !== null) standIn();
    },
  });
  void watch<LeafAnswer>({
    ...common,
    kind: 'leaf',
    ask: (question) => door.leaf(service, question),
    hear: (value) => {
      leaf = { certificate: value.CertPEM, key: value.PrivateKeyPEM };
      publish();
    },
    trouble: (error) => {
      troubles.leaf = error?.message ?? null;
      if (error !== null) standIn();
    },
  });
  const isDue = (): boolean => (troubles.leaf ?? troubles.pair) !== null;
  const quiet = watchExpiry(identity, kit, isDue);
  const close = (): void => {
    signal.removeEventListener('abort', close);
    stop.abort();
    kit.wheel.disarm(grace);
    lost.close();
    quiet();
  };
  if (signal.aborted) close();
  else signal.addEventListener('abort', close, { once: true });
  return {
    kind: 'consul',
    identity,
    trouble: () => troubles.pair ?? troubles.leaf ?? troubles.roots,
    isDue,
    standsIn: () => standing !== null && leaf === null,
    close,
  };
};
