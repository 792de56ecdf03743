import { createHash, webcrypto } from 'node:crypto';
import type { Extension } from '@peculiar/x509';
import {
  type CertificateDates,
  datesOf,
  newKey,
  type SigningKey,
  type X509,
  x509,
} from './development-keys.ts';

/** What a leaf shall say. Everything has a default; a test asks for a bad one by saying so. */
export interface LeafRequest {
  /** Goes into the subject and, unless `uris` is given, into the SPIFFE id. */
  readonly service?: string;
  /** URI names instead of the SPIFFE id of `service`; an empty list makes a leaf without any. */
  readonly uris?: readonly string[];
  /** Lifetime in milliseconds from now; default 72 hours, as in Consul. Rounded up to a whole second. */
  readonly ttlMs?: number;
  /** Wall-clock milliseconds since 1970; default a minute ago, so that a peer's slow clock believes it. */
  readonly notBefore?: number;
  /** Wall-clock milliseconds since 1970; instead of `ttlMs`. In the past for a leaf that has expired. */
  readonly notAfter?: number;
}

/** A certificate with its key, as a sidecar would hold it. Satisfies all of `Identity` but `roots`. */
export interface Leaf {
  /** PEM: the leaf, then the certificates between it and older roots, if there are any. */
  readonly certificate: string;
  /** PEM of the private key, SEC 1. */
  readonly key: string;
  /** The first URI name, or empty. */
  readonly spiffe: string;
  /** Wall-clock milliseconds since 1970, as written in the certificate: whole seconds. */
  readonly validFrom: number;
  readonly validTo: number;
  /** Hexadecimal, two digits a byte. */
  readonly serial: string;
}

/** Settings of an authority. */
export interface AuthorityOptions {
  /** Default: a fresh UUID with `.consul` behind it, as Consul makes. */
  readonly trustDomain?: string;
  /** The `dc` of the SPIFFE ids; default `dc1`. */
  readonly datacenter?: string;
  /** Lifetime of the root in milliseconds; default ten years. */
  readonly ttlMs?: number;
  /** Wall-clock milliseconds since 1970; default the system's clock. */
  readonly wall?: () => number;
}

const yearMs = 365 * 24 * 3600 * 1000;
const leafTtlMs = 72 * 3600 * 1000;
/** How far before now a certificate begins, as in Consul: clocks of one network differ. */
const backdatedMs = 60_000;

/**
 * Authority is a certificate authority for development and tests: one P-256 root, and leaves in the shape of
 * Consul's own (both extended key usages, SPIFFE id as the only name). Its keys never leave the process.
 */
export class Authority {
  readonly trustDomain: string;
  readonly datacenter: string;
  /** SHA-256 of the root's public key, hexadecimal. */
  readonly keyId: string;
  /** Wall-clock milliseconds since 1970. */
  readonly validFrom: number;
  readonly validTo: number;
  readonly #library: X509;
  readonly #key: SigningKey;
  readonly #wall: () => number;
  readonly #dates: CertificateDates;
  readonly #name: string;
  readonly #short: string;
  readonly #intermediates: string[] = [];
  #root = '';
  #serial = 1;

  /** Use `createAuthority`. */
  constructor(library: X509, key: SigningKey, options: AuthorityOptions) {
    this.#library = library;
    this.#key = key;
    this.#wall = options.wall ?? Date.now;
    this.trustDomain = options.trustDomain ?? `${webcrypto.randomUUID()}.consul`;
    this.datacenter = options.datacenter ?? 'dc1';
    this.keyId = key.id;
    this.#short = this.trustDomain.split(/[.-]/)[0]!.slice(0, 16);
    this.#name = `CN=pri-${key.id.slice(0, 8)}.consul.ca.${this.#short}.consul`;
    this.#dates = datesOf(this.#wall() - backdatedMs, this.#wall() + (options.ttlMs ?? 10 * yearMs));
    this.validFrom = this.#dates.notBefore.getTime();
    this.validTo = this.#dates.notAfter.getTime();
  }

  /** PEM of the self-signed root. */
  get root(): string {
    return this.#root;
  }

  /** PEM of the certificates that tie this root to older ones; every leaf carries them. */
  get intermediates(): readonly string[] {
    return [...this.#intermediates];
  }

  /** The SPIFFE id that this authority gives to a service. */
  spiffe(service: string): string {
    return `spiffe://${this.trustDomain}/ns/default/dc/${this.datacenter}/svc/${service}`;
  }

  /** Makes a leaf with a fresh key. */
  async issue(request: LeafRequest = {}): Promise<Leaf> {
    const library = this.#library;
    const { KeyUsageFlags: usage } = library;
    const service = request.service ?? 'development';
    const uris = request.uris ?? [this.spiffe(service)];
    const key = await newKey();
    const now = this.#wall();
    const notAfter = request.notAfter ?? now + (request.ttlMs ?? leafTtlMs);
    const dates = datesOf(request.notBefore ?? Math.min(now, notAfter) - backdatedMs, notAfter);
    const { pem, serial } = await this.#sign({
      // A common name holds 64 characters (RFC 5280, A.1): a long service name is cut, the URI is what counts.
      subject: [{ CN: [`${service}.svc.default.${this.#short}.consul`.slice(0, 64)] }],
      key,
      dates,
      extensions: [
        new library.KeyUsagesExtension(
          usage.digitalSignature | usage.keyEncipherment | usage.dataEncipherment | usage.keyAgreement,
          true,
        ),
        new library.ExtendedKeyUsageExtension([
          library.ExtendedKeyUsage.clientAuth,
          library.ExtendedKeyUsage.serverAuth,
        ]),
        new library.BasicConstraintsExtension(false, undefined, true),
      ],
      uris,
    });
    return {
      certificate: [pem, ...this.#intermediates].join(''),
      key: key.pem(),
      spiffe: uris[0] ?? '',
      validFrom: dates.notBefore.getTime(),
      validTo: dates.notAfter.getTime(),
      serial,
    };
  }

  /** Signs the public key of `next` as an intermediate, so that who trusts this root believes its leaves too. */
  async vouchFor(next: Authority): Promise<void> {
    // Our own vouchers go along, in the order of a chain: who still trusts an older root finds the way.
    next.#intermediates.push(await this.#signAuthority(next.#name, next.#key), ...this.#intermediates);
  }

  /** Keeps the vouchers of the `count` roots before this one, and forgets those of older ones. */
  keepVouchers(count: number): void {
    this.#intermediates.length = Math.min(count, this.#intermediates.length);
  }

  /** Signs its own root; done once, by `createAuthority`. */
  async begin(): Promise<this> {
    this.#root = await this.#signAuthority(this.#name, this.#key);
    return this;
  }

  async #signAuthority(subject: string, key: SigningKey): Promise<string> {
    const library = this.#library;
    const { KeyUsageFlags: usage } = library;
    const { pem } = await this.#sign({
      subject,
      key,
      dates: this.#dates,
      extensions: [
        new library.KeyUsagesExtension(usage.digitalSignature | usage.keyCertSign | usage.cRLSign, true),
        new library.BasicConstraintsExtension(true, undefined, true),
      ],
      uris: [`spiffe://${this.trustDomain}`],
    });
    return pem;
  }

  async #sign(what: Unsigned): Promise<{ pem: string; serial: string }> {
    const library = this.#library;
    const serial = hexadecimal(this.#serial++);
    const names = what.uris.map((value) => ({ type: 'url' as const, value }));
    const made = await library.X509CertificateGenerator.create({
      serialNumber: serial,
      subject: what.subject,
      issuer: this.#name,
      ...what.dates,
      publicKey: what.key.pair.publicKey,
      signingKey: this.#key.pair.privateKey,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions: [
        ...what.extensions,
        new library.SubjectKeyIdentifierExtension(what.key.id),
        new library.AuthorityKeyIdentifierExtension(this.#key.id),
        // Not critical, as in Consul: the subject is not empty (RFC 5280, 4.2.1.6).
        ...(names.length > 0 ? [new library.SubjectAlternativeNameExtension(names)] : []),
      ],
    });
    return { pem: `${made.toString('pem').trimEnd()}\n`, serial };
  }
}

/** What one signature is made over. */
interface Unsigned {
  readonly subject: string | { CN: string[] }[];
  readonly key: SigningKey;
  readonly dates: CertificateDates;
  readonly extensions: readonly Extension[];
  readonly uris: readonly string[];
}

/** Makes an authority with a fresh root. Loads the X.509 library on first use (about 200 ms). */
export const createAuthority = async (options: AuthorityOptions = {}): Promise<Authority> =>
  new Authority(await x509(), await newKey(), options).begin();

/** The SHA-1 of a certificate in Consul's writing, `aa:bb:...`: what it calls the ID of a root. */
export const fingerprint = (pem: string): string => {
  const der = Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64');
  return createHash('sha1').update(der).digest('hex').match(/../g)!.join(':');
};

/** Hexadecimal with whole bytes, as the library takes it and Consul prints it. */
const hexadecimal = (number: number): string => {
  const digits = number.toString(16);
  return digits.length % 2 === 0 ? digits : `0${digits}`;
};
