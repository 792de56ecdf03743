import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { run } from '../../../sidecar/cli/run.ts';
import type { Surroundings } from '../../../sidecar/cli/started.ts';
import { loadSettings } from '../../../sidecar/settings/load.ts';
import { orders, stage } from '../../support/run-stage.ts';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-run-'));
afterAll(() => rmSync(folder, { recursive: true }));

const node = (source: string): string[] => [process.execPath, '-e', source];

/** An app that tells by a file when it runs, and does with a signal what the test says. */
const living = (name: string, onSignal: string): { command: string[]; up: () => Promise<string> } => {
  const file = join(folder, name);
  const write = `require('fs').appendFileSync(${JSON.stringify(file)}, `;
  return {
    command: node(
      `process.on('SIGTERM', () => { ${write}'term\\n'); ${onSignal} }); process.on('SIGUSR2', () => ${write}'usr2\\n')); setInterval(() => {}, 1000); ${write}'up\\n')`,
    ),
    up: () => contains(file, 'up'),
  };
};
const contains = async (file: string, text: string): Promise<string> => {
  for (;;) {
    const found = read(file);
    if (found.includes(text)) return found;
    await new Promise((resolve) => setImmediate(resolve));
  }
};
const read = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
};

describe('outrigger run', () => {
  it('tells the app where its sidecar is, who it is and where to listen', async () => {
    const { around, settings } = stage();
    const file = join(folder, 'env');
    const app = node(
      `const { OUTRIGGER_APP, OUTRIGGER_SERVICE, PORT } = process.env; require('fs').writeFileSync(${JSON.stringify(file)}, [OUTRIGGER_APP, OUTRIGGER_SERVICE, PORT].join(' '))`,
    );
    expect(await run({ ...orders, port: 50051 }, app, around)).toBe(0);
    expect(read(file)).toBe('127.0.0.1:41001 orders 50051');
    expect(settings().service).toEqual({
      name: 'orders',
      app: { host: '127.0.0.1', port: 50051 },
      check: 'tcp',
    });
    expect(settings().listen).toEqual({
      app: { host: '127.0.0.1', port: 0 },
      peers: { host: '0.0.0.0', port: 0 },
      admin: { host: '127.0.0.1', port: 0 },
      control: 'default',
      health: null,
    });
  });

  it('tells the app which settings file there is, wherever it stands', async () => {
    const { around } = stage();
    const file = join(folder, 'config');
    const config = join(folder, 'mesh.yaml');
    writeFileSync(config, 'limits: { hops: 8 }');
    await run(
      { ...orders, config: relative(process.cwd(), config) },
      node(`require('fs').writeFileSync(${JSON.stringify(file)}, process.env.OUTRIGGER_CONFIG)`),
      around,
    );
    expect(read(file)).toBe(config);
  });

  it('picks a free port for an app that is told its port', async () => {
    const { around, settings } = stage();
    const file = join(folder, 'port');
    await run(
      { ...orders, port: 0 },
      node(`require('fs').writeFileSync(${JSON.stringify(file)}, process.env.PORT)`),
      around,
    );
    const app = settings().service!.app as { port: number };
    expect(app.port).toBeGreaterThan(0);
    expect(read(file)).toBe(String(app.port));
  });

  it('says its ports in one line that programs can read', async () => {
    const { around, said } = stage();
    await run(orders, node(''), around);
    expect(said.map((line) => JSON.parse(line))).toEqual([
      {
        event: 'listening',
        service: 'orders',
        app: '127.0.0.1:41001',
        peers: '0.0.0.0:41002',
        admin: '127.0.0.1:41003',
      },
    ]);
  });

  it('says its ports to people in words', async () => {
    const { around, said } = stage({}, { terminal: true });
    await run(orders, node(''), around);
    expect(said).toEqual([
      'outrigger: orders  app 127.0.0.1:41001  peers 0.0.0.0:41002  admin http://127.0.0.1:41003',
    ]);
  });

  it('takes upstreams and the agent from the command line', async () => {
    const { around, settings } = stage();
    await run(
      {
        ...orders,
        consul: '10.0.0.1:8500',
        upstream: ['inventory=127.0.0.1:9191', 'payments=127.0.0.1:9192'],
      },
      node(''),
      around,
    );
    expect(settings()).toMatchObject({
      discovery: { from: 'consul', url: 'http://10.0.0.1:8500' },
      upstreams: { inventory: { port: 9191 }, payments: { port: 9192 } },
    });
  });

  it.each([
    [{ upstream: [] }, 'who is the app? Write --service NAME, or --config FILE with a service in it'],
    [
      { service: 'a', upstream: ['inventory'] },
      "--upstream must be NAME=HOST:PORT, such as inventory=127.0.0.1:9191, not 'inventory'",
    ],
  ])('refuses %j', async (options, message) => {
    await expect(run(options, node(''), stage().around)).rejects.toThrow(message);
  });
});

describe('the app and its sidecar', () => {
  it('start in that order: the app once the sidecar is ready', async () => {
    let ready = (): void => {};
    const { around, signals } = stage({ ready: new Promise<void>((resolve) => (ready = resolve)) });
    const app = living('order', 'process.exit(0)');
    const ended = run(orders, app.command, around);
    await new Promise((resolve) => setImmediate(resolve));
    expect(read(join(folder, 'order'))).toBe('');
    ready();
    await app.up();
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await ended).toBe(0);
  });

  it('start all the same when the sidecar is not ready in time', async () => {
    const { around } = stage({ ready: new Promise(() => {}) }, { patienceMs: 10 });
    expect(await run(orders, node('process.exit(7)'), around)).toBe(7);
  });

  it('do not start together when the sidecar was stopped before it was ready', async () => {
    const never = Promise.reject(
      new Error('the sidecar was stopped before it was ready: no certificate yet'),
    );
    const { around, steps } = stage({ ready: never });
    const file = join(folder, 'never');
    const app = node(`require('fs').writeFileSync(${JSON.stringify(file)}, 'up')`);
    await expect(run(orders, app, around)).rejects.toThrow(
      'the sidecar was stopped before it was ready: no certificate yet',
    );
    expect(read(file)).toBe('');
    expect(steps).toEqual(['start', 'close']);
  });

  it('end together: the app’s end drains and closes the sidecar, and its code is passed on', async () => {
    const { around, steps } = stage();
    expect(await run(orders, node('process.exit(3)'), around)).toBe(3);
    expect(steps).toEqual(['start', 'drain', 'close']);
  });

  it('end with 128 and the signal’s number when a signal ended the app', async () => {
    expect(await run(orders, node('process.kill(process.pid, "SIGKILL")'), stage().around)).toBe(137);
  });

  it.each([
    [
      'outrigger-no-such-command',
      127,
      'outrigger: command not found: outrigger-no-such-command; write its path after --',
    ],
    ['/dev/null', 126, 'outrigger: /dev/null could not be started: spawn /dev/null EACCES'],
  ])('end at once when the app is %s', async (command, code, message) => {
    const { around, said, steps } = stage();
    expect(await run(orders, [command], around)).toBe(code);
    expect(said).toContain(message);
    expect(steps).toEqual(['start', 'drain', 'close']);
  });
});

describe('signals', () => {
  it('SIGTERM drains the sidecar before the app hears of it, and keeps the sidecar until the app is gone', async () => {
    let drained = (): void => {};
    const steps: string[] = [];
    const draining = new Promise<void>((resolve) => (drained = resolve));
    const { around, signals } = stage({
      drain: () => {
        steps.push('drain');
        return draining;
      },
      close: async () =>
        void steps.push(`close after ${read(join(folder, 'graceful')).trim().replaceAll('\n', ' ')}`),
    });
    const app = living('graceful', 'process.exit(5)');
    const ended = run(orders, app.command, around);
    await app.up();
    signals.emit('SIGTERM', 'SIGTERM');
    await new Promise((resolve) => setImmediate(resolve));
    expect(steps).toEqual(['drain']);
    expect(read(join(folder, 'graceful'))).toBe('up\n');
    drained();
    expect(await ended).toBe(5);
    expect(steps.at(-1)).toBe('close after up term');
  });

  it('a second SIGTERM ends everything at once', async () => {
    const { around, signals } = stage({ drain: () => new Promise(() => {}) });
    const app = living('impatient', '');
    const ended = run(orders, app.command, around);
    await app.up();
    signals.emit('SIGTERM', 'SIGTERM');
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await ended).toBe(143);
    expect(signals.eventNames()).toEqual([]);
  });

  it('an app that does not end is killed when its time is over', async () => {
    const { around, signals } = stage();
    const app = living('stubborn', '');
    const load: Surroundings['load'] = async (origin) => {
      const loaded = loadSettings(origin);
      return { ...loaded, settings: { ...loaded.settings, drain: { ...loaded.settings.drain, app: 50 } } };
    };
    const ended = run(orders, app.command, { ...around, load });
    await app.up();
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await ended).toBe(137);
    expect(read(join(folder, 'stubborn'))).toBe('up\nterm\n');
  });

  it('others go to the app alone', async () => {
    const { around, signals, steps } = stage();
    const app = living('others', 'process.exit(0)');
    const ended = run(orders, app.command, around);
    await app.up();
    signals.emit('SIGUSR2', 'SIGUSR2');
    await contains(join(folder, 'others'), 'usr2');
    expect(steps).toEqual(['start']);
    signals.emit('SIGTERM', 'SIGTERM');
    expect(await ended).toBe(0);
  });
});
