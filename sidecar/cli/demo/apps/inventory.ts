import { Code, MeshError } from '../../../../sdk/index.ts';
import { inventoryDefinition } from '../services.ts';
import { serveApp, startApp, takeStage } from './app.ts';

/** Inventory: knows what is left. On the stage's word it answers UNAVAILABLE to everything. */
const app = await startApp();
let unavailable = false;
let left = 1_000_000;

const wellOrThrow = (): void => {
  if (unavailable) throw new MeshError(Code.UNAVAILABLE, `${app.name} is unwell`);
};

const served = await serveApp(app, inventoryDefinition(), {
  reserve: ({ pieces }) => {
    wellOrThrow();
    left -= pieces;
    return { instance: app.name, left };
  },
  watch: async function* () {
    wellOrThrow();
    for (let look = 0; look < 3; look++) yield { left: left - look };
  },
  count: async function* (requests) {
    wellOrThrow();
    for await (const { sku } of requests) yield { sku, left };
  },
});
await takeStage(app, {
  behave: (request) => {
    unavailable = request.unavailable;
    served.serving(!unavailable);
    return {};
  },
});
