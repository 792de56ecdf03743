import { isDeepStrictEqual } from 'node:util';
import type { LeafAnswer, RootsAnswer } from '../consul/answers.ts';
import type { ConsulDoor } from '../consul/door.ts';
import { watch } from '../consul/watch.ts';
import { Cell } from '../core/cell.ts';
import type { Identity } from '../core/identity.ts';
import type { Kit } from '../core/kit.ts';
import { watchExpiry } from './expiry.ts';
import { isAnchored, pairUp } from './pair.ts';
import type { IdentitySource } from './source.ts';

/** Whose certificate is watched. */
export interface ConsulIdentityOptions {
  readonly door: ConsulDoor;
  /** The service that the certificate is for. */
  readonly service: string;
  readonly kit: Kit;
  readonly signal: AbortSignal;
}

/**
 * Identity from Consul's own CA: roots and leaf by blocking queries, put together into one value.
 *
 * A leaf of a new root waits for that root, so that the pair in the cell always fits together; roots are taken as
 * soon as they come, so that peers with new leaves are believed.
 */
export const consulIdentity = ({ door, service, kit, signal }: ConsulIdentityOptions): IdentitySource => {
  const identity = new Cell<Identity | null>(null);
  const stop = new AbortController();
  const troubles: { roots: string | null; leaf: string | null; pair: string | null } = {
    roots: null,
    leaf: null,
    pair: null,
  };
  let roots: RootsAnswer | null = null;
  let leaf: LeafAnswer | null = null;

  const pair = (now: LeafAnswer, anchors: RootsAnswer): Identity =>
    pairUp({
      certificate: now.CertPEM,
      key: now.PrivateKeyPEM,
      roots: anchors.Roots.map(({ RootCert }) => RootCert),
      places: {
        certificate: `the certificate from Consul at ${door.url}`,
        key: `the key from Consul at ${door.url}`,
        roots: `the list of roots from Consul at ${door.url}`,
      },
    });
  /** The pair that holds now, under the newest roots. */
  const publish = (): void => {
    if (roots === null || leaf === null) return;
    try {
      let next = pair(leaf, roots);
      const before = identity.value;
      if (before !== null && !isAnchored(next)) {
        // Its root is on the way. Until then the leaf before goes on, believed with the roots of now.
        troubles.pair = 'the new certificate is not signed by any known root yet';
        kit.log.info({ service }, 'a new certificate waits for its root');
        next = Object.freeze({ ...before, roots: next.roots });
      } else troubles.pair = null;
      if (isDeepStrictEqual(next, before)) return;
      identity.set(next);
      const fields = {
        spiffe: next.spiffe,
        validTo: new Date(next.validTo).toISOString(),
        roots: next.roots.length,
      };
      kit.log.info(fields, before === null ? 'identity from Consul' : 'identity renewed from Consul');
    } catch (thrown) {
      troubles.pair = thrown instanceof Error ? thrown.message : String(thrown);
      kit.meter.count('outrigger_identities_refused_total', 'consul').value++;
      kit.log.error(
        { service, cause: troubles.pair },
        'an identity from Consul is not used; the one before holds',
      );
    }
  };

  const common = { about: service, mode: 'default', polls: door.polls, kit, signal: stop.signal } as const;
  void watch<RootsAnswer>({
    ...common,
    kind: 'roots',
    ask: (question) => door.roots(question),
    hear: (value) => {
      roots = value;
      publish();
    },
    trouble: (error) => {
      troubles.roots = error?.message ?? null;
    },
  });
  void watch<LeafAnswer>({
    ...common,
    kind: 'leaf',
    ask: (question) => door.leaf(service, question),
    hear: (value) => {
      leaf = value;
      publish();
    },
    trouble: (error) => {
      troubles.leaf = error?.message ?? null;
    },
  });
  const quiet = watchExpiry(identity, kit);
  const close = (): void => {
    signal.removeEventListener('abort', close);
    stop.abort();
    quiet();
  };
  if (signal.aborted) close();
  else signal.addEventListener('abort', close, { once: true });
  return {
    kind: 'consul',
    identity,
    trouble: () => troubles.pair ?? troubles.leaf ?? troubles.roots,
    close,
  };
};
