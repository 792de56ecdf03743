import { setTimeout as pause } from 'node:timers/promises';
import { Code, MeshError } from '../../../../sdk/index.ts';
import { inventoryDefinition } from '../services.ts';
import { serveApp, startApp, takeStage } from './app.ts';

/** Inventory: knows what is left. On the stage's word it answers UNAVAILABLE to everything, or late. */
const app = await startApp();
let unavailable = false;
let lateMs = 0;
let left = 1_000_000;

const wellOrThrow = async (): Promise<void> => {
  if (lateMs > 0) await pause(lateMs);
  if (unavailable) throw new MeshError(Code.UNAVAILABLE, `${app.name} is unwell`);
};

const served = await serveApp(app, inventoryDefinition(), {
  reserve: async ({ pieces }) => {
    await wellOrThrow();
    left -= pieces;
    return { instance: app.name, left };
  },
  watch: async function* () {
    await wellOrThrow();
    for (let look = 0; look < 3; look++) yield { left: left - look };
  },
  count: async function* (requests) {
    await wellOrThrow();
    for await (const { sku } of requests) yield { sku, left };
  },
});
await takeStage(app, {
  behave: (request) => {
    unavailable = request.unavailable ?? false;
    lateMs = request.lateMs ?? 0;
    served.serving(!unavailable);
    return {};
  },
});
