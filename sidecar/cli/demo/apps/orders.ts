import { inventoryDefinition, ordersDefinition, paymentsDefinition } from '../services.ts';
import { serveApp, startApp, takeStage } from './app.ts';
import { tellCalled } from './telling.ts';

/** Orders: what a user would write. Id, deadline and cancellation of each call follow by themselves. */
const app = await startApp();
const { mesh, tell } = app;
const inventory = tellCalled(
  tell,
  'inventory',
  mesh.client(inventoryDefinition(), 'inventory'),
  mesh.context,
);
const payments = tellCalled(tell, 'payments', mesh.client(paymentsDefinition(), 'payments'), mesh.context);
const centsApiece = 250;

await serveApp(app, ordersDefinition(), {
  place: async ({ sku, pieces }, call) => {
    const reserved = await inventory.reserve({ sku, pieces });
    const paid = await payments.charge({ cents: pieces * centsApiece });
    return {
      reservedBy: reserved.instance,
      paidCents: paid.cents,
      express: call.flags.boolean('express', false),
    };
  },
  browse: async function* ({ sku }) {
    for await (const { left } of inventory.watch({ sku })) yield { left };
  },
  fill: async function* (requests) {
    yield* inventory.count(requests);
  },
});
await takeStage(app, {});
