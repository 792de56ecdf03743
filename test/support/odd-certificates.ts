import { webcrypto } from 'node:crypto';
import type { CertificateDates } from '../../sidecar/identity/development-keys.ts';
import { newKey, type SigningKey, type X509, x509 } from '../../sidecar/identity/development-keys.ts';

/** What a leaf says that an honest authority would not sign. */
export interface OddRequest {
  readonly uris: readonly string[];
  readonly usages?: readonly ('clientAuth' | 'serverAuth')[];
  /** Bits of an RSA key in place of P-256. */
  readonly rsa?: number;
  /** Octets of ballast in an extension that nobody reads. */
  readonly ballast?: number;
  /** Signed by its own key. */
  readonly selfSigned?: boolean;
}

/** A root that signs whatever it is asked for. */
export interface OddAuthority {
  readonly root: string;
  issue(request: OddRequest): Promise<{ readonly certificate: string; readonly key: string }>;
}

const hourMs = 3600_000;

/** Makes one. */
export const oddAuthority = async (): Promise<OddAuthority> => {
  const library = await x509();
  const authority = await newKey();
  const name = 'CN=odd root';
  const dates: CertificateDates = {
    notBefore: new Date(Date.now() - hourMs),
    notAfter: new Date(Date.now() + hourMs),
  };
  let serial = 1;
  const sign = async (
    subject: string,
    publicKey: webcrypto.CryptoKey,
    extensions: InstanceType<X509['Extension']>[],
    by: webcrypto.CryptoKey = authority.pair.privateKey,
    issuer: string = name,
  ): Promise<string> => {
    const made = await library.X509CertificateGenerator.create({
      serialNumber: `0${serial++}`,
      subject,
      issuer,
      ...dates,
      publicKey,
      signingKey: by,
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      extensions,
    });
    return `${made.toString('pem')}\n`;
  };
  const root = await sign(name, authority.pair.publicKey, [
    new library.BasicConstraintsExtension(true, undefined, true),
    new library.KeyUsagesExtension(library.KeyUsageFlags.keyCertSign, true),
  ]);
  return {
    root,
    async issue({ uris, usages = ['clientAuth', 'serverAuth'], rsa, ballast = 0, selfSigned = false }) {
      const key = rsa === undefined ? await newKey() : await rsaKey(rsa);
      const extensions = [
        new library.KeyUsagesExtension(library.KeyUsageFlags.digitalSignature, true),
        new library.ExtendedKeyUsageExtension(usages.map((usage) => library.ExtendedKeyUsage[usage])),
        new library.SubjectAlternativeNameExtension(uris.map((value) => ({ type: 'url', value }))),
        ...(ballast === 0 ? [] : [new library.Extension('1.3.6.1.4.1.55555.1', false, octetString(ballast))]),
      ];
      const [by, issuer] = selfSigned ? [key.pair.privateKey, 'CN=odd'] : [authority.pair.privateKey, name];
      const certificate = await sign('CN=odd', key.pair.publicKey, extensions, by, issuer);
      return { certificate, key: await pkcs8(key.pair.privateKey) };
    },
  };
};

const rsaKey = async (modulusLength: number): Promise<Pick<SigningKey, 'pair'>> => ({
  pair: await webcrypto.subtle.generateKey(
    { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', modulusLength, publicExponent: new Uint8Array([1, 0, 1]) },
    true,
    ['sign', 'verify'],
  ),
});

const pkcs8 = async (key: webcrypto.CryptoKey): Promise<string> => {
  const text = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${text.match(/.{1,64}/g)!.join('\n')}\n-----END PRIVATE KEY-----\n`;
};

/** DER: tag 4, a length of two octets, zeros. */
const octetString = (length: number): ArrayBuffer => {
  const octets = new Uint8Array(length + 4);
  octets.set([4, 0x82, length >> 8, length & 0xff]);
  return octets.buffer;
};
