import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import tls from 'node:tls';
import * as grpc from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { certificates, type IdentityFiles } from '../../support/certificates.ts';
import { until } from '../../support/raw-http2.ts';
import { sumOf, twoSidecars } from '../../support/sidecars.ts';
import { steadily } from '../../support/steady-load.ts';

const running: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop();
});

const pause = (ms: number): Promise<void> => new Promise((next) => setTimeout(next, ms));
const lifeMs = 3000;
/** A leaf of three seconds: its life begins now, so that a third of it is a third of what is left. */
const short = (service: string) => ({ service, notBefore: Date.now(), notAfter: Date.now() + lifeMs });
const words = ({ cert, key, ca }: IdentityFiles) => ({
  cert: readFileSync(cert),
  key: readFileSync(key),
  ca: readFileSync(ca),
  checkServerIdentity: () => undefined,
  host: '127.0.0.1',
});

describe('a certificate that is not renewed', () => {
  it.each(['callee', 'caller'] as const)(
    'of the %s serves till its end; connections end before it, and none begins after',
    async (side) => {
      const mesh = await twoSidecars();
      running.push(() => mesh.close());
      const name = side === 'callee' ? 'echo' : 'web';
      const sidecar = side === 'callee' ? mesh.callees[0]! : mesh.caller;
      const before = sidecar.identity()!.validTo;
      await mesh.certificates.write(name, short(name));
      await until(() => sidecar.identity()!.validTo !== before, 'the short leaf');
      const { validFrom, validTo } = sidecar.identity()!;
      // A connection of the short leaf, in place of the one that began before.
      const caller = side === 'callee' ? await mesh.addCaller('orders') : sidecar;
      const client = mesh.connect('echo', { target: caller.ports.app });
      const load = steadily(client, 2);
      await pause(Math.max(0, validFrom + (validTo - validFrom) * 0.7 - Date.now()));
      expect([sidecar.notReady(), sidecar.warnings()]).toEqual([
        [],
        [expect.stringMatching(/less than a (third|tenth) of its life is left/)],
      ]);
      await pause(Math.max(0, validTo - 400 - Date.now()));
      await load.stop();
      expect(load.complaints).toEqual([]);
      if (side === 'callee') {
        const links = (): number => sumOf(caller, 'outrigger_links', 'service="echo"');
        await until(() => links() === 0, 'the connection to end');
        expect(Date.now()).toBeLessThanOrEqual(validTo + 100);
      }
      await pause(Math.max(0, validTo + 100 - Date.now()));
      const newcomer =
        side === 'callee'
          ? await mesh.addCaller('late')
          : await mesh.addCaller('web', {}, filesOf(mesh.certificates.directory));
      const { code } = await mesh.connect('echo', { target: newcomer.ports.app }).call('Unary', 'm');
      expect(code).toBe(grpc.status.UNAVAILABLE);
      expect(sidecar.notReady()).toEqual([expect.stringContaining('our certificate expired at ')]);
    },
  );

  it("control: a connection of Node's own TLS goes on after the certificates of both have ended", async () => {
    const made = await certificates();
    running.push(() => made.close());
    const server = tls.createServer({ ...words(await made.write('echo', short('echo'))), requestCert: true });
    server.on('secureConnection', (socket) => socket.on('error', () => {}).pipe(socket));
    await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
    running.push(() => server.close());
    const { port } = server.address() as { port: number };
    const socket = tls.connect({ ...words(await made.write('web', short('web'))), port });
    running.push(() => socket.destroy());
    await once(socket, 'secureConnect');
    await pause(lifeMs + 1000);
    socket.write('still');
    expect(String((await once(socket, 'data'))[0])).toBe('still');
  });
});

const filesOf = (directory: string): IdentityFiles => ({
  cert: `${directory}/web.pem`,
  key: `${directory}/web.key`,
  ca: `${directory}/web.ca`,
});

describe('why resumption is off', () => {
  /** Shakes hands, with a ticket if there is one; whether it was believed, and the ticket for the next time. */
  const shake = async (
    port: number,
    files: ReturnType<typeof words>,
    session?: Buffer,
  ): Promise<{ believed: boolean; resumed: boolean; session: Buffer | undefined }> => {
    const socket = tls.connect({ ...files, port, ALPNProtocols: ['h2'], ...(session && { session }) });
    let latest: Buffer | undefined;
    socket.on('session', (given: Buffer) => {
      latest = given;
    });
    socket.on('error', () => {});
    // In TLS 1.3 the server judges behind the handshake: it is what it says then that counts.
    const believed = await new Promise<boolean>((resolve) => {
      socket.once('secureConnect', () =>
        socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'),
      );
      socket.once('data', () => resolve(true));
      socket.once('close', () => resolve(false));
    });
    await pause(50);
    const resumed = believed && socket.isSessionReused();
    socket.destroy();
    return { believed, resumed, session: latest };
  };

  it('a ticket outlives the certificate that it was given for: Node would believe it, we do not', async () => {
    const mesh = await twoSidecars();
    running.push(() => mesh.close());
    const made = mesh.certificates;
    const echo = words(await made.write('echo', { service: 'echo' }));
    const lax = tls.createServer({
      ...echo,
      requestCert: true,
      rejectUnauthorized: true,
      ALPNProtocols: ['h2'],
    });
    lax.on('secureConnection', (socket) => {
      socket.on('error', () => {});
      socket.on('data', () => socket.write('hello'));
    });
    lax.on('tlsClientError', () => {});
    await new Promise<void>((ready) => lax.listen(0, '127.0.0.1', ready));
    running.push(() => lax.close());
    const ports = {
      lax: (lax.address() as { port: number }).port,
      ours: Number(mesh.callees[0]!.ports.peers!.split(':')[1]),
    };
    const web = words(await made.write('ticket', short('web')));
    const first = { lax: await shake(ports.lax, web), ours: await shake(ports.ours, web) };
    expect([first.lax.believed, first.ours.believed]).toEqual([true, true]);
    // Certificates end with a whole second.
    await pause(lifeMs + 1100);
    // The certificate has ended: a whole handshake is refused by both.
    expect((await shake(ports.lax, web)).believed).toBe(false);
    expect((await shake(ports.ours, web)).believed).toBe(false);
    // With the ticket it is believed by Node, though nothing has changed.
    expect(await shake(ports.lax, web, first.lax.session)).toMatchObject({ believed: true, resumed: true });
    expect((await shake(ports.ours, web, first.ours.session ?? first.lax.session)).believed).toBe(false);
  });
});
