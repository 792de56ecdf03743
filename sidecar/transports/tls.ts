import { constants, X509Certificate } from 'node:crypto';
import type {
  PeerCertificate,
  SecureContext,
  SecureContextOptions,
  SecureVersion,
  TLSSocket,
} from 'node:tls';
import { createSecureContext } from 'node:tls';
import type { Cell } from '../core/cell.ts';
import type { Identity } from '../core/identity.ts';
import { certificateSpiffe, readSpiffe } from '../core/spiffe.ts';

/**
 * AEAD with ephemeral ECDH, for peers that speak TLS 1.2 (Envoy's default); 1.3 has nothing else. Security level 2
 * refuses keys and signatures of less than 112 bits in every certificate of a chain: RSA of 1024, SHA-1.
 */
const ciphers: string = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  '@SECLEVEL=2',
].join(':');

/** The least version of TLS that is spoken, in both directions. */
export type LeastTls = 'TLSv1.2' | 'TLSv1.3';

/** Bytes of the longest leaf that a peer may show: a leaf of Consul has 700. */
const longestLeaf = 16 * 1024;

/** What both ends of mutual TLS agree on. */
interface Mutual {
  readonly minVersion: SecureVersion;
  readonly maxVersion: SecureVersion;
  readonly ciphers: string;
  readonly requestCert: boolean;
  readonly rejectUnauthorized: boolean;
  readonly ALPNProtocols: string[];
  readonly secureOptions: number;
}

/** Resumption is off: a resumed session outlives its certificate and its root. */
export const mutual = (least: LeastTls): Mutual => ({
  minVersion: least,
  maxVersion: 'TLSv1.3',
  ciphers: ciphers,
  requestCert: true,
  rejectUnauthorized: true,
  ALPNProtocols: ['h2'],
  secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
});

/** An identity as Node's TLS takes it. */
export const contextOptions = (identity: Identity, least: LeastTls): SecureContextOptions => {
  const { minVersion, maxVersion, secureOptions } = mutual(least);
  const { certificate: cert, key, roots } = identity;
  return { cert, key, ca: [...roots], ciphers, minVersion, maxVersion, secureOptions };
};

/** Contexts makes one secure context per identity: building one costs more than a handshake should. */
export class Contexts {
  readonly #least: LeastTls;
  #identity: Identity | null = null;
  #context: SecureContext | null = null;

  constructor(least: LeastTls) {
    this.#least = least;
  }

  of(identity: Identity): SecureContext {
    if (this.#context !== null && this.#identity === identity) return this.#context;
    this.#context = createSecureContext(contextOptions(identity, this.#least));
    this.#identity = identity;
    return this.#context;
  }
}

/** Who a verified peer is, read once per connection. */
export interface PeerIdentity {
  /** The service that its certificate names. */
  readonly service: string;
  readonly spiffe: string;
  /** Wall-clock milliseconds: no connection outlives it. */
  readonly validTo: number;
}

/**
 * Reads a verified peer's certificate, or says why it is none of ours. A chain to one of our roots is not enough: a
 * name counts only in our own trust domain, and in those that are ours too while Consul's CA is replaced.
 */
export const readPeer = (socket: TLSSocket, own: Identity): PeerIdentity | { readonly why: string } => {
  const certificate: PeerCertificate = socket.getPeerCertificate();
  if (certificate.raw === undefined) return { why: 'it showed no certificate' };
  const { length } = certificate.raw;
  if (length > longestLeaf) return { why: `it has ${length} bytes, above ${longestLeaf}` };
  const found = certificateSpiffe(certificate.subjectaltname);
  if ('why' in found) return found;
  const { id } = found;
  const ours = readSpiffe(own.spiffe)?.trustDomain;
  if (ours !== undefined && id.trustDomain !== ours && own.alsoDomains?.includes(id.trustDomain) !== true)
    return { why: `it is of the trust domain '${id.trustDomain}', ours is '${ours}'` };
  return { service: id.service, spiffe: id.uri, validTo: Date.parse(certificate.valid_to) };
};

/** How long a connection may live: until its peer's or our own certificate ends, whichever is first. Milliseconds. */
export const certificateLifeMs = (peer: PeerIdentity, own: Identity, wall: number): number =>
  Math.max(1, Math.min(peer.validTo, own.validTo) - wall);

/** Whether `next` still trusts every root of `before`; if not, connections under the lost root must go. */
const lostRoot = (before: Identity, next: Identity): boolean => {
  const prints = new Set(next.roots.map((root) => new X509Certificate(root).fingerprint256));
  return before.roots.some((root) => !prints.has(new X509Certificate(root).fingerprint256));
};

/**
 * Tells once when a root that `begun` trusted is no longer trusted: now, if it happened during the handshake, or later.
 * The answer stops the watch.
 */
export const onLostRoot = (
  identities: Cell<Identity | null>,
  begun: Identity,
  tell: () => void,
): (() => void) => {
  const look = (next: Identity | null): void => {
    if (next === null || !lostRoot(begun, next)) return;
    stop();
    tell();
  };
  const stop = identities.listen(look);
  look(identities.value);
  return stop;
};
