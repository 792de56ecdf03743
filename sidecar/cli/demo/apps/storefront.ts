import { startLoad } from '../load.ts';
import { ordersDefinition, paymentsDefinition } from '../services.ts';
import { startApp, takeStage } from './app.ts';
import { tellCalled } from './telling.ts';

/** Storefront: a pure caller. Its users are made up, and come at a steady rate. */
const app = await startApp();
const { mesh, tell } = app;
const orders = tellCalled(tell, 'orders', mesh.client(ordersDefinition(), 'orders'), mesh.context);
const payments = tellCalled(tell, 'payments', mesh.client(paymentsDefinition(), 'payments'), mesh.context);

const sku = 'oar';

const place = { what: 'orders/Place', run: () => orders.place({ sku, pieces: 2 }) };
const browse = { what: 'orders/Browse', run: () => readAll(orders.browse({ sku })) };
const fill = {
  what: 'orders/Fill',
  run: () => readAll(orders.fill([{ sku }, { sku: 'paddle' }, { sku: 'sail' }])),
};
const receipt = { what: 'payments/Receipt', run: () => payments.receipt({}) };

// Every other call concerns the inventory.
const doings = [place, receipt, browse, receipt, place, receipt, fill, receipt, place, receipt];
const load = startLoad(mesh, doings);
await takeStage(app, load);

async function readAll(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}
