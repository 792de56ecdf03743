import { createHash, KeyObject, webcrypto } from 'node:crypto';

/** The X.509 library. */
export type X509 = typeof import('@peculiar/x509');

/** Loads the library when it is first needed: it costs 200 ms, and a sidecar that reads certificates needs none of it. */
export const x509 = async (): Promise<X509> => {
  // Version 2 throws at import unless this came first.
  await import('reflect-metadata');
  return import('@peculiar/x509');
};

/** A P-256 key pair with its name. */
export interface SigningKey {
  readonly pair: webcrypto.CryptoKeyPair;
  /** SHA-256 of the public key's SubjectPublicKeyInfo, hexadecimal: subject key identifier, as Consul makes it. */
  readonly id: string;
  /** PEM of the private key, SEC 1 (`EC PRIVATE KEY`), as Consul hands it out. */
  pem(): string;
}

/** Makes a P-256 key; off the loop, a millisecond or less. */
export const newKey = async (): Promise<SigningKey> => {
  const pair = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const spki = new Uint8Array(await webcrypto.subtle.exportKey('spki', pair.publicKey));
  return {
    pair,
    id: createHash('sha256').update(spki).digest('hex'),
    pem: () => KeyObject.from(pair.privateKey).export({ type: 'sec1', format: 'pem' }).toString(),
  };
};

/** The validity of a certificate. */
export interface CertificateDates {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Dates as a certificate can hold them, whole seconds: rounded outwards, so that a short life is not cut shorter. */
export const datesOf = (fromMs: number, toMs: number): CertificateDates => ({
  notBefore: new Date(Math.floor(fromMs / 1000) * 1000),
  notAfter: new Date(Math.ceil(toMs / 1000) * 1000),
});
