import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Flag, FrameType, preface } from '../../../wire/frames.ts';
import { certificates, type IdentityFiles } from '../../support/certificates.ts';
import { ping, RawPeer, request, settings, settingsAck, until } from '../../support/raw-http2.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

describe('handshakes at the peers port', () => {
  let mesh: TwoSidecars;
  let port: number;
  let files: IdentityFiles;
  beforeAll(async () => {
    mesh = await twoSidecars();
    port = Number(mesh.callees[0]!.ports.peers!.split(':')[1]);
    files = await mesh.certificates.write('peer', { service: 'peer' });
  });
  afterAll(() => mesh.close());

  const refused = (reason: string): number =>
    sumOf(mesh.callees[0]!, 'outrigger_handshakes_refused_total', `reason="${reason}"`);

  const options = (more: tls.ConnectionOptions = {}): tls.ConnectionOptions => ({
    port,
    host: '127.0.0.1',
    cert: readFileSync(files.cert),
    key: readFileSync(files.key),
    ca: readFileSync(files.ca),
    checkServerIdentity: () => undefined,
    ALPNProtocols: ['h2'],
    ...more,
  });

  /** Shakes hands and asks for one call; what was agreed, and the status of the answer or why there was none. */
  const call = (
    more: tls.ConnectionOptions,
  ): Promise<{ protocol: string | null; outcome: string; socket: tls.TLSSocket }> =>
    new Promise((resolve) => {
      const socket = tls.connect(options(more));
      // Asked while the session is there: of one that failed, Node 20 cannot be asked without harm.
      let protocol: string | null = null;
      const settle = (outcome: string): void => resolve({ protocol, outcome, socket });
      socket.on('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
      socket.once('close', () => settle('closed'));
      socket.once('secureConnect', () => {
        protocol = socket.getProtocol();
        const peer = new RawPeer(socket, 0);
        peer.send(preface, settings(), settingsAck, request(1, true));
        const look = (): void => {
          const [answer] = peer.of(FrameType.HEADERS, 1);
          if (answer !== undefined) settle(answer.flags & Flag.END_STREAM ? 'trailers-only' : 'answered');
        };
        socket.on('data', look);
      });
    });

  it('TLS 1.3 is what two sidecars speak', async () => {
    const { protocol, outcome, socket } = await call({});
    socket.destroy();
    expect([protocol, outcome]).toEqual(['TLSv1.3', 'trailers-only']);
  });

  it.each([
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
  ])('TLS 1.2 with %s is served', async (ciphers) => {
    const { protocol, outcome, socket } = await call({ maxVersion: 'TLSv1.2', ciphers });
    socket.destroy();
    expect([protocol, outcome]).toEqual(['TLSv1.2', 'trailers-only']);
  });

  it.each(['ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA384', 'AES128-GCM-SHA256'])(
    'TLS 1.2 with %s, which is weaker, is refused',
    async (ciphers) => {
      const { outcome } = await call({ maxVersion: 'TLSv1.2', ciphers });
      expect(outcome).toMatch(/HANDSHAKE_FAILURE|ECONNRESET|closed/);
    },
  );

  it('TLS 1.1 is refused, and counted', async () => {
    const before = refused('other');
    const { outcome } = await call({
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'ALL:@SECLEVEL=0',
    });
    expect(outcome).toMatch(/VERSION|ECONNRESET|closed/);
    await until(() => refused('other') > before, 'the refusal to be counted');
  });

  it('a peer that offers no ALPN is served', async () => {
    const { ALPNProtocols: _, ...without } = options();
    const socket = tls.connect(without);
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve);
      socket.once('error', reject);
    });
    expect(socket.alpnProtocol).toBe(false);
    const peer = new RawPeer(socket, 0);
    peer.send(preface, settings(), settingsAck, request(1, true));
    await until(() => peer.of(FrameType.HEADERS, 1).length > 0, 'an answer');
    peer.close();
  });

  it('a peer that offers only http/1.1 is refused', async () => {
    const { outcome } = await call({ ALPNProtocols: ['http/1.1'] });
    expect(outcome).toMatch(/ALPN|ECONNRESET|NO_APPLICATION_PROTOCOL|closed/);
  });

  it('a peer without a certificate is refused, and counted', async () => {
    const before = refused('certificate') + refused('other');
    const { cert: _, key: __, ...anonymous } = options();
    const socket = tls.connect(anonymous);
    const outcome = await new Promise<string>((resolve) => {
      socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
      socket.on('close', () => resolve('closed'));
      socket.resume();
    });
    expect(outcome).toMatch(/CERTIFICATE_REQUIRED|ECONNRESET|closed/);
    await until(() => refused('certificate') + refused('other') > before, 'the refusal to be counted');
  });

  it.each([
    ['HTTP/2 without TLS', Buffer.concat([preface, settings()])],
    ['HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n')],
    ['garbage', Buffer.alloc(64, 7)],
  ])('plaintext is closed at once, and counted: %s', async (_, octets) => {
    const all = (): number =>
      ['plaintext', 'other', 'unfinished'].reduce((sum, each) => sum + refused(each), 0);
    const before = all();
    const socket = connect(port, '127.0.0.1', () => socket.write(octets));
    socket.on('error', () => {});
    await new Promise<void>((resolve) => socket.on('close', () => resolve()).resume());
    await until(() => all() > before, 'the refusal to be counted');
  });

  it('the app never heard of any of it, and calls go on', async () => {
    expect((await mesh.client.call('Unary', 'm')).code).toBe(0);
  });
});

describe('a TLS session is not resumed, because it would outlive its certificate', () => {
  /** Connects twice, the second time with the session of the first; whether it was taken. */
  const resumes = async (
    port: number,
    words: tls.ConnectionOptions,
    version: 'TLSv1.2' | 'TLSv1.3',
  ): Promise<boolean> => {
    const once = async (session?: Buffer): Promise<{ reused: boolean; session: Buffer | undefined }> => {
      const socket = tls.connect({
        ...words,
        port,
        host: '127.0.0.1',
        minVersion: version,
        maxVersion: version,
        checkServerIdentity: () => undefined,
        ...(session && { session }),
      });
      socket.on('error', () => {});
      let latest: Buffer | undefined;
      socket.on('session', (given) => {
        latest = given;
      });
      await new Promise<void>((resolve) => socket.once('secureConnect', resolve));
      // Two rounds: tickets come behind the handshake, and may come behind the first octets.
      for (const octets of [Buffer.concat([preface, settings()]), ping()]) {
        socket.write(octets);
        await new Promise<void>((resolve) => socket.once('data', () => resolve()));
      }
      const reused = socket.isSessionReused();
      const kept = latest ?? socket.getSession();
      socket.destroy();
      return { reused, session: kept };
    };
    const { session } = await once();
    return (await once(session)).reused;
  };

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('%s', async (version) => {
    const mesh = await twoSidecars();
    const files = await mesh.certificates.write('peer', { service: 'peer' });
    const words = {
      cert: readFileSync(files.cert),
      key: readFileSync(files.key),
      ca: readFileSync(files.ca),
    };
    // Control: a TLS server of Node with its defaults resumes.
    const control = tls.createServer({ ...words, requestCert: true }, (socket) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.write('hello'));
    });
    await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve));
    try {
      const port = (control.address() as { port: number }).port;
      expect(await resumes(port, words, version)).toBe(true);
      const peers = Number(mesh.callees[0]!.ports.peers!.split(':')[1]);
      expect(await resumes(peers, words, version)).toBe(false);
    } finally {
      control.close();
      await mesh.close();
    }
  });
});

describe('identity.min-version', () => {
  it('TLSv1.3 refuses TLS 1.2, whoever speaks it, and two sidecars call each other as before', async () => {
    const made = await certificates();
    const least = async (service: string) => ({
      identity: { files: await made.write(service), 'min-version': 'TLSv1.3' },
    });
    const mesh = await twoSidecars({ callee: await least('echo'), caller: await least('web') });
    const { cert, key, ca } = await made.write('peer');
    const shake = (maxVersion: 'TLSv1.2' | 'TLSv1.3'): Promise<string> =>
      new Promise((resolve) => {
        const socket = tls.connect({
          port: Number(mesh.callees[0]!.ports.peers!.split(':')[1]),
          host: '127.0.0.1',
          cert: readFileSync(cert),
          key: readFileSync(key),
          ca: readFileSync(ca),
          checkServerIdentity: () => undefined,
          ALPNProtocols: ['h2'],
          maxVersion,
        });
        socket.once('secureConnect', () => {
          resolve(socket.getProtocol() ?? '');
          socket.destroy();
        });
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      });
    expect(await shake('TLSv1.2')).toMatch(/PROTOCOL_VERSION|ECONNRESET/);
    expect(await shake('TLSv1.3')).toBe('TLSv1.3');
    expect((await mesh.client.call('Unary', 'm')).code).toBe(0);
    await mesh.close();
    await made.close();
  });
});
