import { connect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { preface } from '../../../wire/frames.ts';
import { type Certificates, certificates } from '../../support/certificates.ts';
import { type OddAuthority, type OddRequest, oddAuthority } from '../../support/odd-certificates.ts';
import { request, settings, settingsAck, until } from '../../support/raw-http2.ts';
import { sumOf, type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';

/** Processor milliseconds that one refusal may cost, the caller's side of the handshake included. */
const mostCpuMs = 10;
const times = 10;

describe('a certificate that no honest authority signs opens no connection', () => {
  let own: Certificates;
  let odd: OddAuthority;
  let mesh: TwoSidecars;
  let port: number;
  beforeAll(async () => {
    own = await certificates();
    odd = await oddAuthority();
    const { authority } = own;
    const files = await own.write('echo', { service: 'echo' }, authority, [authority.root, odd.root]);
    mesh = await twoSidecars({ callee: { identity: { files } } });
    port = Number(mesh.callees[0]!.ports.peers!.split(':')[1]);
  });
  afterAll(async () => {
    await mesh.close();
    await own.close();
  });

  const refused = (): number => sumOf(mesh.callees[0]!, 'outrigger_handshakes_refused_total');
  const taken = (): number => sumOf(mesh.callees[0]!, 'outrigger_connections_total', 'listener="peers"');

  /** Shakes hands with what `words` say, asks for a call, and waits until the connection is closed or answered. */
  const knock = (words: { cert?: string; key?: string }): Promise<'closed' | 'answered'> =>
    new Promise((resolve) => {
      const socket = connect({
        ...words,
        port,
        host: '127.0.0.1',
        ALPNProtocols: ['h2'],
        rejectUnauthorized: false,
        // What we show may be as weak as it likes: it is the other side that must refuse it.
        ciphers: 'DEFAULT:@SECLEVEL=0',
      });
      socket.on('error', () => {});
      socket.once('close', () => resolve('closed'));
      socket.once('secureConnect', () =>
        socket.write(Buffer.concat([preface, settings(), settingsAck, request(1, true)])),
      );
      socket.on('data', () => {
        resolve('answered');
        socket.destroy();
      });
    });

  const web = (): string => own.authority.spiffe('web');
  const matrix: readonly (readonly [string, () => OddRequest | null])[] = [
    ['none at all', () => null],
    ['signed by its own key', () => ({ uris: [web()], selfSigned: true })],
    ['only for servers (no clientAuth)', () => ({ uris: [web()], usages: ['serverAuth'] })],
    ['a key of RSA-1024', () => ({ uris: [web()], rsa: 1024 })],
    ['16 KiB long', () => ({ uris: [web()], ballast: 16 * 1024 })],
    ['two names', () => ({ uris: [web(), own.authority.spiffe('admin')] })],
    ['a name in another trust domain', () => ({ uris: ['spiffe://other.consul/ns/default/dc/dc1/svc/web'] })],
    ['a name that is no SPIFFE id', () => ({ uris: ['https://web'] })],
  ];

  it.each(matrix)('%s', async (_, asked) => {
    const wanted = asked();
    const shown = wanted === null ? null : await odd.issue(wanted);
    const words = shown === null ? {} : { cert: shown.certificate, key: shown.key };
    const [before, connections] = [refused(), taken()];
    expect(await knock(words)).toBe('closed');
    await until(() => refused() > before, 'the refusal to be counted');
    const begun = process.cpuUsage();
    for (let at = 1; at < times; at++) expect(await knock(words)).toBe('closed');
    const { user, system } = process.cpuUsage(begun);
    await until(() => refused() === before + times, 'every refusal to be counted');
    expect((user + system) / 1000 / (times - 1)).toBeLessThan(mostCpuMs);
    expect([taken(), mesh.apps[0]!.seen.length]).toEqual([connections, 0]);
  });

  it('control: the same authority, key and name, and nothing odd: it is answered', async () => {
    const shown = await odd.issue({ uris: [web()] });
    expect(await knock({ cert: shown.certificate, key: shown.key })).toBe('answered');
  });

  it('control: RSA of 2048 is, too', async () => {
    const shown = await odd.issue({ uris: [web()], rsa: 2048 });
    expect(await knock({ cert: shown.certificate, key: shown.key })).toBe('answered');
  });
});
