import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { afterEach, expect, test } from 'vitest';
import { createAuthority } from '../../../sidecar/identity/development-ca.ts';
import { readInto } from '../../../wire/read-into.ts';

const opened: (net.Socket | net.Server)[] = [];

afterEach(async () => {
  const closed = opened.splice(0).map((each) => {
    const done = once(each, 'close');
    if (each instanceof net.Socket) each.destroy();
    else each.close();
    return done;
  });
  await Promise.all(closed);
});

/** Opens a connection over TCP, or over TLS, and answers both its ends. */
const pair = async (secure: boolean): Promise<{ accepted: net.Socket; dialled: net.Socket }> => {
  const { certificate: cert, key } = await (await createAuthority()).issue({ service: 'reader' });
  const server = secure ? tls.createServer({ cert, key }) : net.createServer();
  const taken = once(server, secure ? 'secureConnection' : 'connection') as Promise<[net.Socket]>;
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const at = { port, host: '127.0.0.1' };
  const dialled = secure ? tls.connect({ ...at, rejectUnauthorized: false }) : net.connect(at);
  const [accepted] = await taken;
  if (dialled.connecting) await once(dialled, 'connect');
  if (secure && !(dialled as tls.TLSSocket).getCipher()) await once(dialled, 'secureConnect');
  opened.push(server, accepted, dialled);
  return { accepted, dialled };
};

for (const secure of [false, true])
  for (const side of ['accepted', 'dialled'] as const) {
    const kind = `${secure ? 'TLS' : 'TCP'}, ${side}`;

    test(`${kind}: a socket reads into the shared memory, and nowhere else`, async () => {
      const ends = await pair(secure);
      const reader = ends[side];
      const writer = ends[side === 'accepted' ? 'dialled' : 'accepted'];
      const shared = Buffer.alloc(1000);
      const came: string[] = [];
      let bytes = 0;
      const all = new Promise<void>((resolve) => {
        const took = readInto(reader, shared, (chunk) => {
          expect(chunk.buffer).toBe(shared.buffer);
          came.push(chunk.toString('latin1'));
          bytes += chunk.length;
          if (bytes === 5000) resolve();
        });
        expect(took).toBe(true); // this Node has what we build on
      });
      const text = Array.from({ length: 5000 }, (_, i) => String(i % 10)).join('');
      writer.write(text);
      await all;
      expect(came.join('')).toBe(text);
    });

    test(`${kind}: paused it reads nothing, resumed it goes on, and it hears of the end`, async () => {
      const ends = await pair(secure);
      const reader = ends[side];
      const writer = ends[side === 'accepted' ? 'dialled' : 'accepted'];
      const came: string[] = [];
      readInto(reader, Buffer.alloc(65_536), (chunk) => {
        came.push(chunk.toString('latin1'));
        reader.pause();
        setImmediate(() => {
          came.push('|');
          reader.resume();
        });
      });
      const end = once(reader, 'end');
      writer.end('x'.repeat(200_000));
      await end;
      const pieces = came
        .join('')
        .split('|')
        .filter((piece) => piece !== '');
      expect(pieces.join('')).toBe('x'.repeat(200_000));
      expect(pieces.length).toBeGreaterThan(1);
    });
  }

test('what the stream held already comes first', async () => {
  const { accepted, dialled } = await pair(false);
  const readable = once(accepted, 'readable');
  dialled.write('early');
  await readable;
  accepted.removeAllListeners('readable');
  const came: string[] = [];
  const both = new Promise<void>((resolve) => {
    readInto(accepted, Buffer.alloc(1000), (chunk) => {
      came.push(chunk.toString('latin1'));
      if (came.join('').length === 9) resolve();
    });
  });
  dialled.write('late');
  await both;
  expect(came).toEqual(['early', 'late']);
});

test('without a handle of this kind the chunks come as data', () => {
  const socket = new net.Socket();
  const came: Buffer[] = [];
  expect(readInto(socket, Buffer.alloc(10), (chunk) => came.push(chunk))).toBe(false);
  const chunk = Buffer.from('as it is');
  socket.emit('data', chunk);
  expect(came).toEqual([chunk]);
  socket.destroy();
});
