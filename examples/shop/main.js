// The program of steps 2 to 5: `web` places an order and ends; every other name answers until it is told to stop.
import { setTimeout } from 'node:timers/promises';
import { connect } from 'outrigger';
import { clientsOf, hostShop } from './shop.js';

const mesh = await connect();
await hostShop(mesh);

if ((process.env.SHOP ?? 'web') === 'web') {
  const { orders } = clientsOf(mesh);
  for (let order = Number(process.env.ORDERS ?? 1); order > 0; order--) {
    const receipt = await mesh.run({ timeout: '5s' }, () => orders.place({ sku: 'oar', count: 1 }));
    console.log(JSON.stringify(receipt));
    await setTimeout(Number(process.env.EVERY ?? 0));
  }
  await mesh.close();
} else process.once('SIGTERM', () => mesh.close().then(() => process.exit(0)));
