import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { certificates } from '../../support/certificates.ts';
import { clinic, echoOn, webOn } from '../../support/doctor.ts';
import { root } from '../../support/sources.ts';

const { examine, folder, http, keep, mesh, sidecar, tcp } = clinic();

/** Settings that ask no agent. */
const alone = (port: number, more = ''): string =>
  `service: { name: echo, port: ${port} }
listen: { app: 127.0.0.1:0, peers: 127.0.0.1:0, admin: 127.0.0.1:0, control: none }
discovery: { static: { services: { } } }
identity: none
${more}`;

describe('a healthy host', () => {
  it('has nothing that the doctor finds, for a caller and for a service, running or not', async () => {
    const { url, app, echo } = await mesh();
    const nothing = { code: 0, causes: [], remedies: [] };
    expect(await examine(webOn(url))).toEqual(nothing);
    expect(await examine(echoOn(url, app.port))).toEqual(nothing);
    const running = echoOn(url, app.port).replace('admin: 127.0.0.1:0', `admin: ${echo.ports.admin}`);
    expect(await examine(running.replace('app: 127.0.0.1:0', `app: ${echo.ports.app}`))).toEqual(nothing);
  });
});

describe('the app', () => {
  it('does not answer', async () => {
    const { app } = await mesh();
    app.close();
    const { code, causes, remedies } = await examine(alone(app.port));
    expect([code, causes]).toEqual([
      1,
      [`app: the app does not answer on 127.0.0.1:${app.port}: connect ECONNREFUSED 127.0.0.1:${app.port}`],
    ]);
    expect(remedies).toEqual(["start the app of 'echo', or correct service.port"]);
  });

  it('speaks HTTP/1.1', async () => {
    const port = await http((_, response) => response.end('hello'));
    expect((await examine(alone(port))).causes).toEqual([
      `app: what answers on 127.0.0.1:${port} is no gRPC server in plaintext: it speaks HTTP/1.1`,
    ]);
  });

  it('speaks TLS', async () => {
    const alert = Buffer.from([0x15, 3, 3, 0, 2, 2, 10, 0, 0]);
    const port = await tcp(createServer((socket) => void socket.once('data', () => socket.end(alert))));
    const { causes, remedies } = await examine(alone(port));
    expect(causes).toEqual([
      `app: what answers on 127.0.0.1:${port} is no gRPC server in plaintext: it speaks TLS`,
    ]);
    expect(remedies).toEqual(['let the app listen in plaintext on loopback; the sidecar does the TLS']);
  });

  it('has no grpc.health.v1 though it is to be asked, or says that it is not well', async () => {
    const { app, url } = await mesh();
    const asked = (port: number): string =>
      echoOn(url, port).replace(`port: ${port}`, `port: ${port}, check: grpc`);
    expect((await examine(asked(app.port))).causes).toEqual([]);
    app.failing = 14;
    expect((await examine(asked(app.port))).causes[0]).toBe(
      `app: the app on 127.0.0.1:${app.port} says that it is not SERVING`,
    );
    const other = await sidecar(alone(app.port));
    const port = Number(other.ports.app.split(':')[1]);
    expect((await examine(asked(port))).causes[0]).toBe(
      `app: service.check is grpc, but the app on 127.0.0.1:${port} does not answer grpc.health.v1`,
    );
  });
});

describe('ports', () => {
  it('are taken by another process', async () => {
    const { app } = await mesh();
    const port = await tcp();
    const text = alone(app.port).replace('admin: 127.0.0.1:0', `admin: 127.0.0.1:${port}`);
    const { causes, remedies } = await examine(text);
    expect(causes).toEqual([`ports: listen.admin 127.0.0.1:${port} is taken by another process`]);
    expect(remedies[0]).toContain('set listen.admin to a free port');
  });

  it('are those of another sidecar', async () => {
    const { app } = await mesh();
    const { ports } = await sidecar(alone(app.port).replace('echo', 'other'));
    const text = alone(app.port).replace('admin: 127.0.0.1:0', `admin: ${ports.admin}`);
    expect((await examine(text)).causes).toEqual([
      `ports: two sidecars for one port: listen.admin ${ports.admin} is taken by the sidecar of 'other'`,
    ]);
  });

  it('are on no address of this machine', async () => {
    const { app, url } = await mesh();
    const text = echoOn(url, app.port).replace('peers: 127.0.0.1:0', 'peers: 192.0.2.1:15002');
    expect((await examine(text)).causes).toEqual([
      'ports: listen.peers 192.0.2.1:15002 is no address of this machine',
    ]);
  });

  it('of a unix socket lack their folder', async () => {
    const { app } = await mesh();
    const text = alone(app.port).replace('app: 127.0.0.1:0', `app: 'unix:${folder}/nowhere/app.sock'`);
    const { causes, remedies } = await examine(text);
    expect(causes).toEqual([`ports: the folder of listen.app unix:${folder}/nowhere/app.sock is not there`]);
    expect(remedies).toEqual([`mkdir -m 700 -p ${folder}/nowhere`]);
  });

  it('may be in a folder that is a link, as /var/run is, and so may a state-dir', async () => {
    const { app } = await mesh();
    mkdirSync(join(folder, 'run'), { recursive: true });
    symlinkSync('run', join(folder, 'linked'));
    const text = `${alone(app.port)}\nstate-dir: ${folder}/linked/outrigger/state`;
    const { causes } = await examine(
      text.replace('app: 127.0.0.1:0', `app: 'unix:${folder}/linked/app.sock'`),
    );
    expect(causes).toEqual([]);
  });

  it('of the health page are looked at too', async () => {
    const { app } = await mesh();
    const port = await tcp();
    const { causes } = await examine(
      alone(app.port).replace('app: 127.0.0.1:0', `app: 127.0.0.1:0, health: 127.0.0.1:${port}`),
    );
    expect(causes).toEqual([`ports: listen.health 127.0.0.1:${port} is taken by another process`]);
  });
});

describe('the machine', () => {
  it('has a Node that is too old', async () => {
    const { url } = await mesh();
    const change = (world: object): never => ({ ...world, nodeVersion: '18.20.4' }) as never;
    expect((await examine(webOn(url), { change })).causes).toEqual([
      'node: Node 18.20.4 is too old: 20.19 is the oldest that works',
    ]);
  });

  it('lets a process open too few files', async () => {
    const { app } = await mesh();
    const main = join(root, 'sidecar/cli/main.ts');
    const command = `ulimit -n 512 && exec '${process.execPath}' --import tsx '${main}' doctor --service echo --port ${app.port} --consul http://127.0.0.1:1`;
    const { stdout, status } = spawnSync('sh', ['-c', command], { cwd: root, encoding: 'utf8' });
    expect(stdout).toContain(
      'fault  open-files: a process may open 512 files here, and a busy sidecar takes 4096\n',
    );
    expect(stdout).toContain('mend it: ulimit -n 65536');
    expect(status).toBe(1);
  });

  it('has folders that are open to others', async () => {
    const { url } = await mesh();
    mkdirSync(join(folder, 'shared'), { recursive: true });
    chmodSync(join(folder, 'shared'), 0o777);
    const text = webOn(url, `state-dir: ${folder}/shared`).replace(
      'control: none',
      `control: 'unix:${folder}/shared/web.sock'`,
    );
    const { causes, remedies } = await examine(text);
    expect(causes).toEqual([
      `control: the folder ${folder}/shared of the control socket is open to other users`,
      `state-dir: state-dir ${folder}/shared is open to other users (777)`,
    ]);
    expect(remedies[0]).toBe(`chmod 700 ${folder}/shared`);
  });

  it('has a usual place for state that is open to others, or leads nowhere', async () => {
    const { url } = await mesh();
    mkdirSync(join(folder, 'home', 'outrigger'), { recursive: true });
    chmodSync(join(folder, 'home', 'outrigger'), 0o755);
    const env = { XDG_STATE_HOME: join(folder, 'home') };
    expect((await examine(webOn(url), { env })).causes).toEqual([
      `state-dir: state-dir ${folder}/home/outrigger is open to other users (755)`,
    ]);
    symlinkSync(join(folder, 'gone'), join(folder, 'dangling'));
    expect((await examine(webOn(url, `state-dir: ${folder}/dangling`), { env })).causes).toEqual([
      `state-dir: state-dir ${folder}/dangling is no directory`,
    ]);
  });

  it('has a state-dir that cannot be made', async () => {
    const { url } = await mesh();
    expect((await examine(webOn(url, `state-dir: ${folder}/mesh.yaml/state`))).causes).toEqual([
      `state-dir: state-dir ${folder}/mesh.yaml/state cannot be made: ${folder}/mesh.yaml is not ours to write`,
    ]);
  });
});

describe('certificates in files', () => {
  const withFiles = (files: object): string =>
    alone(1)
      .replace('identity: none', `identity: ${JSON.stringify({ files })}`)
      .replace(', port: 1', '')
      .replace(', peers: 127.0.0.1:0', '');

  it('are good', async () => {
    const made = keep(await certificates());
    expect((await examine(withFiles(await made.write('web')))).causes).toEqual([]);
  });

  it('have expired, or are not valid yet', async () => {
    const made = keep(await certificates());
    const files = await made.write('web');
    const at = (ms: number) => ({
      change: (world: object): never => ({ ...world, wall: () => Date.now() + ms }) as never,
    });
    const year = 366 * 86_400_000;
    expect((await examine(withFiles(files), at(5 * year))).causes[0]).toMatch(
      /^certificate-files: the certificate .*web\.pem has expired on 20/,
    );
    expect((await examine(withFiles(files), at(-5 * year))).remedies).toEqual([
      'set the clock (timedatectl set-ntp true): it is behind the one of the CA',
    ]);
  });

  it('cannot be read, do not fit together, or are signed by a stranger', async () => {
    const made = keep(await certificates());
    const other = keep(await certificates());
    const files = await made.write('web');
    const theirs = await other.write('web');
    const causes = async (changed: object) => (await examine(withFiles({ ...files, ...changed }))).causes;
    expect(await causes({ ca: `${folder}/none.pem` })).toEqual([
      `certificate-files: identity.files.ca cannot be read: ENOENT: no such file or directory, open '${folder}/none.pem'`,
    ]);
    expect((await causes({ key: theirs.key }))[0]).toContain('is not the key of');
    expect((await causes({ ca: theirs.ca }))[0]).toContain('is signed by none of the roots in');
  });
});

describe('the settings', () => {
  it('are shown with each mistake, and nothing else is looked at', async () => {
    const { code, causes } = await examine('service: { name: Web, prot: 1 }');
    expect(code).toBe(1);
    expect(causes).toEqual([
      expect.stringMatching(/^settings: .*mesh\.yaml:1:18: service\.name must be a service name/),
      expect.stringMatching(/^settings: .*mesh\.yaml:1:23: unknown key 'prot' in service/),
    ]);
  });

  it('have a risk that is no fault', async () => {
    const { url } = await mesh();
    const { code, causes } = await examine(webOn(url).replace('app: 127.0.0.1:0', 'app: 0.0.0.0:0'));
    expect(code).toBe(0);
    expect(causes).toEqual([
      expect.stringContaining('settings: listen.app 0.0.0.0:0 is open to the network'),
    ]);
  });

  it('of the environment cannot be followed', async () => {
    const { causes, remedies } = await examine(webOn('http://127.0.0.1:1'), {
      env: { CONSUL_NAMESPACE: 'team' },
    });
    expect(causes[0]).toContain(
      'environment: CONSUL_NAMESPACE: namespaces are Consul Enterprise and not supported',
    );
    expect(remedies).toEqual(['unset it, or set it to default']);
  });
});
