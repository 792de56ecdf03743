import { createPrivateKey, X509Certificate } from 'node:crypto';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { describe, expect, it } from 'vitest';
import { createAuthority, fingerprint, type Leaf } from '../../../sidecar/identity/development-ca.ts';

/** Shakes hands over loopback, both sides presenting and demanding a certificate. */
const shakeHands = (server: Leaf, client: Leaf, serverTrusts: string[], clientTrusts: string[]) =>
  new Promise<string>((resolve) => {
    const listener = createServer(
      {
        cert: server.certificate,
        key: server.key,
        ca: serverTrusts,
        requestCert: true,
        rejectUnauthorized: true,
      },
      (socket) => socket.end('hello'),
    );
    listener.on('tlsClientError', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
    let socket: TLSSocket;
    const end = (outcome: string) => {
      socket.destroy();
      listener.close(() => resolve(outcome));
    };
    listener.listen(0, '127.0.0.1', () => {
      const port = (listener.address() as { port: number }).port;
      socket = connect({
        host: '127.0.0.1',
        port,
        cert: client.certificate,
        key: client.key,
        ca: clientTrusts,
        checkServerIdentity: () => undefined,
      });
      socket.on('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
      socket.on('data', () => end('hello'));
    });
  });

describe('the development certificate authority', () => {
  it('issues a leaf in the shape of Consul’s', async () => {
    const authority = await createAuthority({
      trustDomain: '11111111-2222.consul',
      wall: () => 1_700_000_000_500,
    });
    const leaf = await authority.issue({ service: 'web' });
    const certificate = new X509Certificate(leaf.certificate);
    expect(certificate.subjectAltName).toBe('URI:spiffe://11111111-2222.consul/ns/default/dc/dc1/svc/web');
    expect(leaf.spiffe).toBe('spiffe://11111111-2222.consul/ns/default/dc/dc1/svc/web');
    expect(certificate.subject).toBe('CN=web.svc.default.11111111.consul');
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2', '1.3.6.1.5.5.7.3.1']);
    expect(certificate.ca).toBe(false);
    expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
    expect(leaf.key).toMatch(/^-----BEGIN EC PRIVATE KEY-----\n/);
    expect(certificate.checkPrivateKey(createPrivateKey(leaf.key))).toBe(true);
    expect(certificate.verify(new X509Certificate(authority.root).publicKey)).toBe(true);
    expect(Date.parse(certificate.validFrom)).toBe(1_699_999_940_000);
    expect(leaf.validFrom).toBe(1_699_999_940_000);
    expect(leaf.validTo).toBe(1_700_259_201_000);
    expect(Date.parse(certificate.validTo)).toBe(1_700_259_201_000);
  });

  it('has a root that may sign and names its trust domain', async () => {
    const authority = await createAuthority({ trustDomain: 'mesh.example' });
    const root = new X509Certificate(authority.root);
    expect(root.ca).toBe(true);
    expect(root.subjectAltName).toBe('URI:spiffe://mesh.example');
    expect(root.checkIssued(root)).toBe(true);
    expect(fingerprint(authority.root)).toBe(root.fingerprint.toLowerCase());
  });

  it('lets two of its leaves shake hands, and a stranger’s not', async () => {
    const ours = await createAuthority();
    const theirs = await createAuthority();
    const [web, db, stranger] = await Promise.all([
      ours.issue({ service: 'web' }),
      ours.issue({ service: 'db' }),
      theirs.issue({ service: 'web' }),
    ]);
    expect(await shakeHands(db, web, [ours.root], [ours.root])).toBe('hello');
    expect(await shakeHands(stranger, web, [ours.root], [ours.root])).not.toBe('hello');
    expect(await shakeHands(db, stranger, [ours.root], [ours.root])).not.toBe('hello');
  });

  it('issues bad leaves to those who ask: expired, not yet valid, other names, none', async () => {
    const authority = await createAuthority();
    const good = await authority.issue({ service: 'db' });
    const expired = await authority.issue({ service: 'web', notAfter: Date.now() - 60_000 });
    expect(await shakeHands(expired, good, [authority.root], [authority.root])).toBe('CERT_HAS_EXPIRED');
    const early = await authority.issue({ service: 'web', notBefore: Date.now() + 60_000 });
    expect(await shakeHands(early, good, [authority.root], [authority.root])).toBe('CERT_NOT_YET_VALID');
    const other = await authority.issue({ uris: ['spiffe://elsewhere/x', 'https://y.example/z'] });
    expect(new X509Certificate(other.certificate).subjectAltName).toBe(
      'URI:spiffe://elsewhere/x, URI:https://y.example/z',
    );
    expect(other.spiffe).toBe('spiffe://elsewhere/x');
    const bare = await authority.issue({ uris: [] });
    expect(new X509Certificate(bare.certificate).subjectAltName).toBeUndefined();
    expect(bare.spiffe).toBe('');
  });

  it('vouches for its successor, so that the old root still believes new leaves', async () => {
    const old = await createAuthority({ trustDomain: 'mesh.example' });
    const next = await createAuthority({ trustDomain: 'mesh.example' });
    const client = await old.issue({ service: 'web' });
    const before = await next.issue({ service: 'db' });
    expect(await shakeHands(before, client, [old.root], [old.root])).not.toBe('hello');
    await old.vouchFor(next);
    const after = await next.issue({ service: 'db' });
    expect(await shakeHands(after, client, [old.root], [old.root])).toBe('hello');
    expect(await shakeHands(after, client, [old.root], [next.root])).toBe('hello');
  });
});
