/** A process whose handshakes stall: port, addresses, sockets of each. Tells how many are open, 20 times a second. */
import { stallHandshakes } from '../support/stalled-handshakes.ts';

const [port, addresses, perAddress] = process.argv.slice(2).map(Number) as [number, number, number];

// Starting costs the machine more than attacking: it must not stand in the figures.
process.once('message', async () => {
  const stalled = await stallHandshakes(port, addresses, perAddress);
  setInterval(() => process.send!(stalled.open()), 50);
});
process.once('disconnect', () => process.exit());
process.send!(-1);
