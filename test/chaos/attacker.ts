/** A process that attacks a port, or is a good neighbour of those who do. Started by `trial.ts`: name, port. */
import { Flag, FrameType } from '../../wire/frames.ts';
import { data, message, RawPeer, request, windowUpdate } from '../support/raw-http2.ts';
import { attacks } from './attacks.ts';
import { callAttacks } from './call-attacks.ts';

const [, , name, port] = process.argv as [string, string, string, string];

/** Calls one after another until told to stop; tells every latency. */
const neighbour = async (): Promise<void> => {
  const peer = await RawPeer.dial(Number(port));
  const latencies: number[] = [];
  let stopped = false;
  process.on('message', () => {
    stopped = true;
  });
  peer.send(windowUpdate(0, 0x7000_0000));
  for (let id = 1; !stopped && !peer.closed; id += 2) {
    const begin = performance.now();
    peer.frames.length = 0;
    peer.send(request(id, false), data(id, message(Buffer.alloc(123)), Flag.END_STREAM));
    while (!peer.closed && peer.of(FrameType.HEADERS, id).length < 2)
      await new Promise<void>((resolve) => {
        peer.socket.once('data', () => resolve());
      });
    latencies.push(performance.now() - begin);
    await new Promise<void>((resolve) => void setTimeout(resolve, 1));
  }
  peer.close();
  process.send!({ latencies, harmed: peer.closed && !stopped });
};

const told = (): Promise<void> => new Promise((resolve) => void process.once('message', () => resolve()));

if (name === 'neighbour') await neighbour();
else {
  // Starting costs the machine more than attacking: it must not stand in the figures.
  const go = told();
  process.send!('ready');
  await go;
  process.send!(await { ...attacks, ...callAttacks }[name]!(Number(port)));
}
process.disconnect();
