import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Identity } from '../core/identity.ts';
import { certificateSpiffe } from '../core/spiffe.ts';
import { messageOf } from '../core/thrown.ts';

/** PEM texts that are to become an identity, and what to call them in messages. */
export interface PemTexts {
  /** Leaf first, then intermediates. */
  readonly certificate: string;
  readonly key: string;
  /** Every trusted root, in as many texts as there are sources of them. */
  readonly roots: readonly string[];
  /** What each is called: a file's path, or an endpoint of Consul. */
  readonly places: { readonly certificate: string; readonly key: string; readonly roots: string };
}

const certificateBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/**
 * Makes an identity of PEM texts, or throws an error that names the text at fault: a certificate that cannot be
 * read, a key that is another's, a list of roots without a root. Dates are not judged here: see `expiry.ts`.
 */
export const pairUp = ({ certificate, key, roots, places }: PemTexts): Identity => {
  const chain = blocks(certificate, places.certificate);
  const leaf = chain[0]!;
  const trusted = roots.flatMap((text) => blocks(text, places.roots));
  if (!leaf.parsed.checkPrivateKey(readKey(key, places.key)))
    throw new Error(
      `${places.key} is not the key of ${places.certificate}; half of a renewal was written, or the files do not belong together`,
    );
  const spiffe = certificateSpiffe(leaf.parsed.subjectAltName);
  return Object.freeze({
    certificate: chain.map(({ pem }) => pem).join('\n'),
    key,
    roots: Object.freeze([...new Set(trusted.map(({ pem }) => pem))]),
    spiffe: 'id' in spiffe ? spiffe.id.uri : '',
    validFrom: Date.parse(leaf.parsed.validFrom),
    validTo: Date.parse(leaf.parsed.validTo),
  });
};

/** True when the leaf's chain ends at one of the identity's roots: then peers with the same roots believe it. */
export const isAnchored = ({ certificate, roots }: Identity): boolean => {
  const known = [...certificate.matchAll(certificateBlock)].map(([pem]) => new X509Certificate(pem));
  const anchors = roots.map((pem) => new X509Certificate(pem));
  let at = known[0]!;
  // A chain is no longer than its certificates; a circle among them must not hold us.
  for (let step = 0; step <= known.length; step++) {
    if (anchors.some((root) => issued(root, at))) return true;
    const next = known.find((one) => one !== at && issued(one, at));
    if (next === undefined) return false;
    at = next;
  }
  return false;
};

const issued = (issuer: X509Certificate, subject: X509Certificate): boolean =>
  subject.checkIssued(issuer) && subject.verify(issuer.publicKey);

const blocks = (text: string, place: string): { pem: string; parsed: X509Certificate }[] => {
  const found = (text.match(certificateBlock) ?? []).map((pem) => ({
    pem,
    parsed: readCertificate(pem, place),
  }));
  if (found.length === 0)
    throw new Error(`${place} holds no certificate; it must be PEM (BEGIN CERTIFICATE)`);
  // Cut off in the middle of a block: the file is still being written.
  if (found.length !== text.split('-----BEGIN CERTIFICATE-----').length - 1)
    throw new Error(`${place} breaks off within a certificate`);
  return found;
};

const readCertificate = (pem: string, place: string): X509Certificate => {
  try {
    return new X509Certificate(pem);
  } catch (thrown) {
    throw new Error(`${place} holds a certificate that cannot be read: ${messageOf(thrown)}`);
  }
};

const readKey = (pem: string, place: string): ReturnType<typeof createPrivateKey> => {
  try {
    return createPrivateKey(pem);
  } catch (thrown) {
    // OpenSSL's words never quote what they read: a key must not end up in a log.
    throw new Error(
      `${place} holds no private key that can be read: ${messageOf(thrown)}; it must be PEM and without a passphrase`,
    );
  }
};
