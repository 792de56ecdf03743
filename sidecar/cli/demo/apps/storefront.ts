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

const load = startLoad(mesh, [
  ...Array.from({ length: 6 }, () => ({ what: 'orders/Place', run: () => orders.place({ sku, pieces: 2 }) })),
  { what: 'orders/Browse', run: () => readAll(orders.browse({ sku })) },
  { what: 'orders/Fill', run: () => readAll(orders.fill([{ sku }, { sku: 'paddle' }, { sku: 'sail' }])) },
  { what: 'payments/Receipt', run: () => payments.receipt({}) },
  { what: 'payments/Receipt', run: () => payments.receipt({}) },
]);
await takeStage(app, load);

async function readAll(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}
