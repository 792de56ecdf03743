import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import type { StartedSidecar } from '../../../sidecar/cli/started.ts';
import { type SupervisionOptions, startSupervised } from '../../../sidecar/cli/supervised.ts';
import { type Log, silent } from '../../../sidecar/core/log.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import type { Settings } from '../../../sidecar/settings/settings.ts';

const open: StartedSidecar[] = [];
afterEach(() => Promise.all(open.splice(0).map((sidecar) => sidecar.close())));

const settingsOf = (text: string): Settings =>
  readSettings(text, 'test.yaml', '/', { freePorts: true }).settings;
const orders = settingsOf('service: { name: orders, port: 50051 }');

/** What a sidecar's process is in these tests: it knows `nth`, how often one was started before, and `told`. */
const listens = `
  const { app } = told.settings.listen;
  const ports = { app: app.port === 0 ? '127.0.0.1:41001' : app.host + ':' + app.port, peers: '0.0.0.0:41002', admin: '127.0.0.1:41003' };
  process.send({ event: 'listening', ports });`;

interface Stage {
  readonly sidecar: Promise<StartedSidecar>;
  readonly pids: number[];
  /** Lines of the log, and a way to wait for so many. */
  readonly lines: { event: string; fields: Record<string, unknown> }[];
  readonly logged: (event: string, times?: number) => Promise<void>;
  readonly pauses: number[];
}

const stage = (
  program: string,
  over: Partial<SupervisionOptions> = {},
  settings: Settings = orders,
): Stage => {
  const pids: number[] = [];
  const pauses: number[] = [];
  const lines: Stage['lines'] = [];
  let look = (): void => {};
  const write = (fields: object, event: string): void => {
    lines.push({ event, fields: fields as Record<string, unknown> });
    look();
  };
  const log: Log = { ...silent, info: write, warn: write, error: write };
  const sidecar = startSupervised(settings, {
    log,
    origin: {},
    pauseMs: (ends) => {
      pauses.push(ends);
      return 0;
    },
    spawn: () => {
      const source = `process.on('disconnect', () => process.exit(0)); const nth = ${pids.length};
        process.on('message', (told) => {
          if (told.please === 'start') { ${program} }
          if (told.please === 'close') process.exit(0);
          if (told.please === 'drain') process.send({ event: 'drained' });
          if (told.please === 'say why') process.send({ event: 'not ready', reasons: ['no certificate yet'] });
        });`;
      const child = spawn(process.execPath, ['-e', source], {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      pids.push(child.pid!);
      return child;
    },
    ...over,
  });
  sidecar.then(
    (started) => open.push(started),
    () => {},
  );
  const logged = (event: string, times = 1): Promise<void> =>
    new Promise((resolve) => {
      look = () => {
        if (lines.filter((line) => line.event === event).length >= times) resolve();
      };
      look();
    });
  return { sidecar, pids, lines, logged, pauses };
};

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('a sidecar in a process of its own', () => {
  it('says where it listens, that it is ready, and why it was not', async () => {
    const { sidecar } = stage(`${listens} setTimeout(() => process.send({ event: 'ready' }), 20);`);
    const started = await sidecar;
    expect(started.ports).toEqual({
      app: '127.0.0.1:41001',
      peers: '0.0.0.0:41002',
      admin: '127.0.0.1:41003',
    });
    expect(await started.notReady()).toEqual(['no certificate yet']);
    await started.ready;
  });

  it('says that it will never be ready, and why', async () => {
    const { sidecar } = stage(`${listens} process.send({ event: 'never ready', why: 'it was drained' });`);
    await expect((await sidecar).ready).rejects.toThrow('it was drained');
  });

  it.each([
    [
      'its own words',
      `process.send({ event: 'failed', why: '127.0.0.1:15001 is in use: set listen.app' }, () => process.exit(1))`,
      '127.0.0.1:15001 is in use: set listen.app',
    ],
    ['its end', 'process.exit(3)', "the sidecar's process ended before it listened: exit code 3"],
    [
      'the signal that ended it',
      `process.kill(process.pid, 'SIGKILL')`,
      "the sidecar's process ended before it listened: SIGKILL",
    ],
  ])('cannot start at all: told by %s, and not tried again', async (_what, program, message) => {
    const { sidecar, pids, pauses } = stage(program);
    await expect(sidecar).rejects.toThrow(message);
    expect(pids).toHaveLength(1);
    expect(pauses).toEqual([]);
  });

  it('whose program is not there is an error too', async () => {
    const spawnNothing = (): ReturnType<typeof spawn> =>
      spawn('/no/such/outrigger', [], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const { sidecar } = stage('', { spawn: spawnNothing });
    await expect(sidecar).rejects.toThrow('it could not be started: spawn /no/such/outrigger ENOENT');
  });
});

describe('a sidecar that ends unasked', () => {
  it('is started again on the ports that it had', async () => {
    // Had it asked for free ports again, it would say 41001.
    const program = `${listens.replace("'127.0.0.1:41001'", "nth === 0 ? '127.0.0.1:40404' : 'moved'")} process.send({ event: 'ready' });`;
    const { sidecar, pids, lines, logged } = stage(program);
    const started = await sidecar;
    process.kill(pids[0]!, 'SIGKILL');
    await logged('the sidecar listens again');
    expect(lines.slice(1)).toEqual([
      {
        event: 'the sidecar ended: it is started again',
        fields: { pid: pids[0], ended: 'SIGKILL', againMs: 0 },
      },
      {
        event: 'the sidecar listens again',
        fields: { pid: pids[1], app: '127.0.0.1:40404', peers: '0.0.0.0:41002', admin: '127.0.0.1:41003' },
      },
    ]);
    expect(started.ports.app).toBe('127.0.0.1:40404');
  });

  it('waits longer each time, and is tried on however often it fails', async () => {
    const { sidecar, logged, pauses, pids } = stage(
      `if (nth > 0 && nth < 4) return void process.send({ event: 'failed', why: 'in use' }, () => process.exit(1)); ${listens}`,
    );
    await sidecar;
    process.kill(pids[0]!, 'SIGKILL');
    await logged('the sidecar could not start again', 3);
    await logged('the sidecar listens again');
    expect(pauses).toEqual([1, 2, 3, 4]);
  });

  it('is started again when there is memory for a process again', async () => {
    const program = `const told = { settings: { listen: { app: { port: 0 } } } }; ${listens}
      process.on('message', ({ please }) => please === 'close' && process.exit(0));`;
    const children: ChildProcess[] = [];
    const { sidecar, lines, logged } = stage('', {
      spawn: () => {
        if (children.length > 0 && lines.length < 3) throw new Error('spawn ENOMEM');
        const stdio: StdioOptions = ['ignore', 'ignore', 'inherit', 'ipc'];
        children.push(spawn(process.execPath, ['-e', program], { stdio }));
        return children.at(-1)!;
      },
    });
    const started = await sidecar;
    children[0]!.kill('SIGKILL');
    await logged('the sidecar listens again');
    expect(lines.map(({ fields }) => fields['cause'] ?? fields['ended'])).toContain(
      'it could not be started: spawn ENOMEM',
    );
    await started.close();
  });

  it('is ready when its successor is', async () => {
    const { sidecar, pids } = stage(`${listens} if (nth === 1) process.send({ event: 'ready' });`);
    const { ready } = await sidecar;
    process.kill(pids[0]!, 'SIGKILL');
    await ready;
  });

  it('gets the settings as they are by then, and those from before when the file is broken by then', async () => {
    const told = listens.replace("'127.0.0.1:41003'", 'told.settings.log.level');
    // Tells its level where others tell the admin port.
    let level = 'debug';
    const load = async (): Promise<Settings> => {
      if (level === 'broken') throw new Error('test.yaml:1:1: unknown key');
      return settingsOf(`{ service: { name: orders, port: 50051 }, log: { level: ${level} } }`);
    };
    const { sidecar, pids, lines, logged } = stage(told, { load });
    expect((await sidecar).ports.admin).toBe('info');
    process.kill(pids[0]!, 'SIGKILL');
    await logged('the sidecar listens again', 1);
    level = 'broken';
    process.kill(pids[1]!, 'SIGKILL');
    await logged('the sidecar listens again', 2);
    expect(
      lines.filter(({ event }) => event === 'the sidecar listens again').map(({ fields }) => fields['admin']),
    ).toEqual(['debug', 'debug']);
    expect(lines.map(({ event }) => event)).toContain(
      'the settings cannot be used: the sidecar starts with those that it had',
    );
  });
});

describe('a sidecar that is asked to end', () => {
  it('is drained first, and leaves no process', async () => {
    const { sidecar, pids, lines } = stage(listens);
    const started = await sidecar;
    await started.drain();
    expect(isAlive(pids[0]!)).toBe(true);
    await started.close();
    expect(isAlive(pids[0]!)).toBe(false);
    expect(lines.map(({ event }) => event)).toEqual(['the sidecar listens']);
  });

  it('and crashes instead is not started again: nothing waits for it', async () => {
    const { sidecar, pids } = stage(listens);
    const started = await sidecar;
    process.kill(pids[0]!, 'SIGSTOP');
    const drained = started.drain();
    process.kill(pids[0]!, 'SIGKILL');
    await drained;
    await started.close();
    expect(pids).toHaveLength(1);
  });
});
