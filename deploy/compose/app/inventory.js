import { fileURLToPath } from 'node:url';
import { connect, definition } from 'outrigger';

// An app of the try-out: it says what is left, and who asked.
const proto = fileURLToPath(new URL('./shop.proto', import.meta.url));
// Its sidecar starts after it, because it lives in this container's network.
const mesh = await connect({ timeout: '2m' });
const served = await mesh.serve(
  definition(proto, 'shop.v1.Inventory'),
  { check: ({ sku }, { caller }) => ({ sku, left: 7, caller }) },
  { port: Number(process.env.PORT) },
);
for (const signal of ['SIGTERM', 'SIGINT'])
  process.once(signal, async () => {
    await served.stop();
    mesh.close();
  });
