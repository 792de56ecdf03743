import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startCommand } from '../../support/command.ts';
import { eventually } from '../../support/eventually.ts';
import { type Receiver, startReceiver } from '../../support/otlp.ts';

// Tells each name that is imported, whoever asks and however: modules of ESM are in no cache that could be looked at.
const hook = `export const resolve = async (name, context, next) => {
  if (name.includes('@opentelemetry')) (await import('node:fs')).writeSync(2, 'imported ' + name + '\\n');
  return next(name, context);
};`;
const register = `import { register } from 'node:module';
register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hook)}`)});`;

const script = join(import.meta.dirname, 'one-process.ts');

/** Runs it with these variables of OpenTelemetry and no others; its last line, and all that it said. */
const run = async (variables: Record<string, string>, ...words: string[]) => {
  const plain = Object.entries(process.env).filter(([name]) => !name.startsWith('OTEL_'));
  const { output, errors, code } = await startCommand(
    ['--import', 'tsx', '--import', `data:text/javascript,${encodeURIComponent(register)}`, script, ...words],
    { ...Object.fromEntries(plain), ...variables },
  ).ended;
  const said = Object.assign(
    {},
    ...output
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  );
  return { ...(said as { failed: string; loaded: number; own?: string[] }), code, errors };
};

let receiver: Receiver;
beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.close());

const grpc = (): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
  OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
});

describe('with tracing off', () => {
  it.each<[string, () => Record<string, string>]>([
    ['without a variable', () => ({})],
    ['with an exporter of none', () => ({ ...grpc(), OTEL_TRACES_EXPORTER: 'none' })],
    ['with the SDK disabled', () => ({ ...grpc(), OTEL_SDK_DISABLED: 'true' })],
  ])('%s nothing of OpenTelemetry is loaded by sidecar or SDK', async (_, variables) => {
    const { failed, loaded, errors, code } = await run(variables());
    expect({ failed, loaded, code }).toEqual({ failed: 'MeshError', loaded: 0, code: 0 });
    expect(errors).not.toContain('imported @opentelemetry');
  });
});

describe('with tracing on', () => {
  it('it is loaded (control), and what is left is sent as the mesh closes', async () => {
    const { loaded, code } = await run(grpc());
    expect([loaded > 10, code]).toEqual([true, 0]);
    await eventually(() => receiver.spans.length >= 2, 'spans of app and sidecar');
    const scopes = receiver.spans.map(({ scope }) => scope).sort();
    expect(scopes).toEqual(['outrigger/sdk', 'outrigger/sidecar']);
    expect(new Set(receiver.spans.map(({ trace }) => trace)).size).toBe(1);
  });

  it('a process that ends by itself, its mesh still open, sends what is left', async () => {
    (receiver.spans as unknown[]).length = 0;
    expect((await run(grpc(), 'stays')).code).toBe(0);
    await eventually(() => receiver.spans.length >= 2, 'spans of app and sidecar');
  });

  it('an app with a provider of its own keeps it: it gets our spans, and no SDK is started', async () => {
    (receiver.spans as unknown[]).length = 0;
    const { own, code, errors } = await run(grpc(), 'global');
    expect([own, code]).toEqual([['shop.v1.Shop/Take', 'shop.v1.Shop/Take'], 0]);
    expect(errors).toContain('imported @opentelemetry/api'); // control: what an app imports is seen
    expect(receiver.spans).toEqual([]);
  });

  it('and not installed, calls go on; sidecar and SDK say what to install', async () => {
    const { failed, loaded, errors, code } = await run(grpc(), 'missing');
    expect({ failed, loaded, code }).toEqual({ failed: 'MeshError', loaded: 0, code: 0 });
    const lines = errors.split('\n').filter((line) => line.includes('no traces'));
    expect(lines).toHaveLength(2);
    for (const line of lines) expect(line).toMatch(/"level":"warn".*npm install @opentelemetry\/sdk-node@/);
  });
});
