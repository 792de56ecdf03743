import Module, { createRequire } from 'node:module';
import { connect } from '../../../sdk/index.ts';
import { startSidecar } from '../../../sidecar/index.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { openLog } from '../../../sidecar/telemetry/log.ts';
import { Shop } from '../../support/shop.ts';

// A process of its own: a sidecar and an app, one call, and then a line that says what of OpenTelemetry was loaded. With
// `missing` the packages are not installed; with `global` the app has a tracer provider of its own; with `stays` nobody closes the mesh.

const words = process.argv.slice(2);
const require = createRequire(import.meta.url);

if (words.includes('missing')) {
  const resolver = Module as unknown as { _resolveFilename(name: string, ...more: unknown[]): string };
  const resolve = resolver._resolveFilename;
  resolver._resolveFilename = (name, ...more) => {
    if (!name.startsWith('@opentelemetry/')) return resolve(name, ...more);
    throw Object.assign(new Error(`Cannot find module '${name}'`), { code: 'MODULE_NOT_FOUND' });
  };
}

if (words.includes('global')) {
  const { trace } = await import('@opentelemetry/api');
  const { tracing } = await import('@opentelemetry/sdk-node');
  const exporter = new tracing.InMemorySpanExporter();
  const spanProcessors = [new tracing.SimpleSpanProcessor(exporter)];
  trace.setGlobalTracerProvider(new tracing.BasicTracerProvider({ spanProcessors }));
  process.once('exit', () =>
    process.stdout.write(`${JSON.stringify({ own: exporter.getFinishedSpans().map(({ name }) => name) })}\n`),
  );
}

const settings = {
  service: { name: 'alone' },
  listen: { app: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' },
  discovery: { static: { services: {} } },
  identity: 'none',
};
const sidecar = await startSidecar(readSettings(JSON.stringify(settings), 'alone.yaml', '/').settings, {
  log: openLog({ level: 'warn' }),
});
await sidecar.ready;
const mesh = await connect({ sidecar: sidecar.ports.app });
const failed = await mesh
  .client(Shop, 'nobody')
  .take({ sku: 'oar' })
  .then(
    () => 'no',
    (error: Error) => error.name,
  );
if (!words.includes('stays')) await mesh.close();
await sidecar.close();
const loaded = Object.keys(require.cache).filter((path) => path.includes('@opentelemetry'));
process.stdout.write(`${JSON.stringify({ failed, loaded: loaded.length })}\n`);
