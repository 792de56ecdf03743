import { paymentsDefinition } from '../services.ts';
import { serveApp, startApp, takeStage } from './app.ts';

/** Payments: takes money for orders, and shows receipts. */
const app = await startApp();
let charges = 0;

await serveApp(app, paymentsDefinition(), {
  charge: ({ cents }) => {
    charges++;
    return { cents };
  },
  receipt: () => ({ charges }),
});
await takeStage(app, {});
