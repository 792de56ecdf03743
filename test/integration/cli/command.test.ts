import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { loadGrpc, messageShape, protoFile } from '../../../sidecar/control/grpc.ts';
import { type Command, outrigger } from '../../support/command.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-command-'));
afterAll(() => rmSync(folder, { recursive: true }));

const running: Command[] = [];
const start = (words: string[], env: NodeJS.ProcessEnv = {}): Command => {
  const command = outrigger(words, { XDG_RUNTIME_DIR: folder, ...env });
  running.push(command);
  return command;
};
const stopAll = async (commands: Command[]): Promise<void> => {
  for (const { process, ended } of commands.splice(0).reverse()) {
    // Twice: the second one ends at once.
    process.kill('SIGTERM');
    process.kill('SIGTERM');
    await ended;
  }
};
afterEach(() => stopAll(running));

const config = (name: string, text: string): string => {
  const file = join(folder, name);
  writeFileSync(file, text);
  return file;
};

const shop = fileURLToPath(new URL('./shop.ts', import.meta.url));
const app = ['--', process.execPath, '--import', 'tsx', shop];

describe('with a development agent', () => {
  const agents: Command[] = [];
  let consul: string;
  beforeAll(async () => {
    const agent = outrigger(['agent', '--port', '0']);
    agents.push(agent);
    consul = (await agent.says(/development agent on (http:\S+)/))[1]!;
  });
  afterAll(() => stopAll(agents));

  it('a call goes from identity to identity, to an app that knows of no mesh', async () => {
    const run = start(['run', '--service', 'shop', '--port', '0', '--consul', consul, ...app]);
    const ports = JSON.parse((await run.says(/\{"event":"listening".*\}/))[0]);
    await run.says(/shop listens/);
    expect((await run.says(/sidecar (\S+)/))[1]).toBe(ports.app);
    const call = start([
      'call',
      '--as',
      'web',
      '--consul',
      consul,
      'shop',
      'shop.v1.Shop/Get',
      '-d',
      '{"sku":"oar"}',
    ]);
    expect(await call.ended).toMatchObject({ code: 0, output: '{"sku":"oar","caller":"web"}\n' });

    run.process.kill('SIGTERM');
    expect(await run.ended).toMatchObject({ code: 4 });
    expect(readdirSync(join(folder, 'outrigger'))).toEqual([]);
  });

  it('a call to a name that nobody has ends with 1 and says what is known', async () => {
    const call = start(['call', '--as', 'web', '--consul', consul, 'nobody', 'shop.v1.Shop/Get']);
    const { code, errors } = await call.ended;
    expect(code).toBe(1);
    expect(errors).toContain('UNAVAILABLE');
    expect(errors).toContain('nobody');
  });

  it('the control socket shows a sidecar and drains it', async () => {
    const file = config(
      'drain.yaml',
      `service: { name: shop, port: 1 }
listen: { app: 127.0.0.1:0, peers: 127.0.0.1:0, admin: 127.0.0.1:0, control: unix:${folder}/own/shop.sock }
discovery: { consul: { url: ${consul} } }`,
    );
    const sidecar = start(['sidecar', '--config', file]);
    const { admin } = JSON.parse((await sidecar.says(/\{"event":"listening".*\}/))[0]);
    await sidecar.says(/"event":"ready"/);
    const { grpc, loader } = await loadGrpc();
    const types = loader.loadSync(protoFile('outrigger/v1/control.proto'), messageShape);
    const Control = grpc.makeGenericClientConstructor(types['outrigger.v1.Control'] as never, 'Control');
    const control = new Control(`unix:${folder}/own/shop.sock`, grpc.credentials.createInsecure());
    const ask = (method: string) =>
      new Promise<Record<string, unknown>>((resolve, reject) =>
        (
          control as never as Record<
            string,
            (request: object, done: (error: unknown, answer: never) => void) => void
          >
        )[method]!({}, (error, answer) => (error === null ? resolve(answer) : reject(error))),
      );
    expect(await ask('getSnapshot')).toMatchObject({ service: 'shop', notReady: [], ports: { admin } });
    expect((await fetch(`http://${admin}/ready`)).status).toBe(200);
    await ask('drain');
    expect(await (await fetch(`http://${admin}/ready`)).json()).toEqual({
      ready: false,
      reasons: ['the sidecar is stopping'],
    });
    control.close();
  });
});

describe('things that go wrong', () => {
  it('a malformed file ends with 2 and names line, column and fix', async () => {
    const file = config('bad.yaml', 'service:\n  name: shop\n  prot: 1\n');
    const { code, errors } = await start(['sidecar', '--config', file]).ended;
    expect(code).toBe(2);
    expect(errors).toBe(`${file}:3:3: unknown key 'prot' in service (did you mean 'port'?)\n`);
  });

  it.each(['app', 'peers', 'admin'])(
    'a taken %s port ends with 1 and names the port and the setting',
    async (name) => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const listen = { app: '127.0.0.1:0', peers: '127.0.0.1:0', admin: '127.0.0.1:0', control: 'none' };
      const file = config(
        `taken-${name}.yaml`,
        JSON.stringify({
          service: { name: 'shop', port: 1 },
          listen: { ...listen, [name]: `127.0.0.1:${port}` },
          discovery: { static: { services: {} } },
          identity: 'none',
        }),
      );
      const { code, errors } = await start(['sidecar', '--config', file]).ended;
      server.close();
      expect(code).toBe(1);
      expect(errors).toContain(`127.0.0.1:${port}`);
      expect(errors).toContain('in use');
      expect(errors).toContain(`listen.${name}`);
    },
  );

  it('a Consul that is down is waited for: the sidecar lives, is not ready, and says why', async () => {
    const file = config(
      'waiting.yaml',
      `service: { name: shop, port: 1 }
listen: { app: 127.0.0.1:0, peers: 127.0.0.1:0, admin: 127.0.0.1:0, control: none }
discovery: { consul: { url: http://127.0.0.1:1 } }`,
    );
    const sidecar = start(['sidecar', '--config', file]);
    const { admin } = JSON.parse((await sidecar.says(/\{"event":"listening".*\}/))[0]);
    expect((await fetch(`http://${admin}/live`)).status).toBe(200);
    for (;;) {
      const ready = await fetch(`http://${admin}/ready`);
      expect(ready.status).toBe(503);
      // The first question may still be under way: then the reason names nobody yet.
      if ((await ready.text()).includes('http://127.0.0.1:1')) break;
    }
  });

  it('a command line that is wrong ends with 2', async () => {
    const codes = await Promise.all([
      start(['sidecar']).ended,
      start(['run', '--', 'true']).ended,
      start(['fly']).ended,
      start(['--version']).ended,
    ]);
    expect(codes.map(({ code }) => code)).toEqual([2, 2, 2, 0]);
  });
});
