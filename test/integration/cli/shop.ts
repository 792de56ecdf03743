import { fileURLToPath } from 'node:url';
import type * as grpc from '@grpc/grpc-js';
import { reflectingServer } from '../../support/reflecting-server.ts';

// An app that knows nothing of a mesh: it listens on PORT, and says who called.
type Message = Record<string, unknown>;
const server = await reflectingServer({
  proto: fileURLToPath(new URL('./shop.proto', import.meta.url)),
  port: Number(process.env['PORT']),
  reflection: 'v1',
  services: {
    'shop.v1.Shop': {
      Get: (call: grpc.ServerUnaryCall<Message, Message>, done: grpc.sendUnaryData<Message>) =>
        done(null, { sku: call.request['sku'], caller: call.metadata.get('x-outrigger-caller')[0] }),
    },
  },
});
process.on('SIGTERM', () => {
  server.close();
  process.exit(4);
});
console.log(`shop listens, sidecar ${process.env['OUTRIGGER_APP']}`);
