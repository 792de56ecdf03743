/**
 * Identity is what this sidecar proves itself with, and whom it believes. Replaced whole at each rotation.
 *
 * Kept apart from the snapshot, because snapshots are shown and keys are not.
 */
export interface Identity {
  /** PEM: leaf first, then intermediates. */
  readonly certificate: string;
  /** PEM of the private key. */
  readonly key: string;
  /** PEM of every trusted root: two during a change of CA. */
  readonly roots: readonly string[];
  /** URI SAN of the leaf, `spiffe://<trust domain>/ns/<ns>/dc/<dc>/svc/<service>`; empty when it has none. */
  readonly spiffe: string;
  /** Trust domains whose names count beside that of `spiffe`: while Consul has another CA and leaves follow one by one. */
  readonly alsoDomains?: readonly string[];
  /** Wall-clock milliseconds since 1970. */
  readonly validFrom: number;
  readonly validTo: number;
}

/** A source of identities; `null` in the cell means: none yet (Consul has not answered), so do not listen. */
export type IdentityKind = 'consul' | 'files' | 'none';
