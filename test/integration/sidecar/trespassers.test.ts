import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { plainSnapshot } from '../../../sidecar/control/pages.ts';
import { type TwoSidecars, twoSidecars } from '../../support/sidecars.ts';
import {
  asAnother,
  askRaw,
  canBeOthers,
  changes,
  fromPages,
  honest,
  openElsewhere,
  strayPaths,
} from '../../support/trespassers.ts';

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));

describe('what a sidecar shows of itself', () => {
  let folder: string;
  let socket: string;
  let mesh: TwoSidecars;
  let admin: number;
  let health: number;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'outrigger-trespass-'));
    // Others may enter this one: what guards the socket is the folder that the sidecar makes.
    chmodSync(folder, 0o755);
    socket = join(folder, 'run', 'web.sock');
    const free = '127.0.0.1:0';
    const listen = { app: free, admin: free, health: free, control: `unix:${socket}` };
    mesh = await twoSidecars({ caller: { listen } });
    admin = portOf(mesh.caller.ports.admin);
    health = portOf(mesh.caller.ports.health!);
  });
  afterAll(async () => {
    await mesh.close();
    rmSync(folder, { recursive: true });
  });

  it.each(Object.entries(fromPages('/snapshot')))('is not read by way of %s', async (_, request) => {
    const { code, text } = await askRaw(admin, request);
    // 400: Node itself takes no HTTP/1.1 request without a name.
    expect([400, 403]).toContain(code);
    expect(text).not.toContain('endpoints');
  });

  it('control: a port without that rule answers all of them, and the admin port an honest request', async () => {
    for (const request of Object.values(fromPages('/metrics')).filter((each) => !/host:\r/.test(each)))
      expect((await askRaw(health, request)).code).toBe(200);
    const own = honest('/snapshot').replace('\r\n', '\r\norigin: http://localhost:15000\r\n');
    for (const request of [honest('/snapshot'), own]) {
      const { code, text } = await askRaw(admin, request);
      expect(code).toBe(200);
      expect(text).toContain('endpoints');
      expect(text).not.toMatch(/PRIVATE|access-control/i);
    }
  });

  it('is changed by no request', async () => {
    const state = () =>
      JSON.stringify([mesh.caller.logLevel(), mesh.caller.notReady(), plainSnapshot(mesh.caller.snapshot())]);
    const before = state();
    for (const port of [admin, health])
      for (const request of changes) expect([405, 0]).toContain((await askRaw(port, request)).code);
    expect(state()).toBe(before);
    expect((await mesh.client.call('Unary', 'm')).code).toBe(0);
  });

  it('has no page but those that it names', async () => {
    for (const port of [admin, health])
      for (const request of strayPaths) {
        const { code, text } = await askRaw(port, request);
        expect([request.split('\r\n')[0], [400, 404].includes(code)]).toEqual([
          request.split('\r\n')[0],
          true,
        ]);
        expect(text).not.toContain('root:');
      }
    expect((await askRaw(health, honest('/snapshot'))).code).toBe(404);
    expect((await askRaw(admin, honest('/snapshot?pretty'))).code).toBe(200);
  });

  it('is at no other address of this machine', async () => {
    expect(await openElsewhere(admin)).toEqual([]);
    expect(await openElsewhere(portOf(mesh.caller.ports.app))).toEqual([]);
  });

  it('control: a port that is open to all is found there', async () => {
    const open = createServer().listen(0, '0.0.0.0');
    await new Promise((resolve) => open.once('listening', resolve));
    expect((await openElsewhere((open.address() as { port: number }).port)).length).toBeGreaterThan(0);
    open.close();
  });

  it('has a control socket of its user alone', () => {
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(dirname(socket)).mode & 0o777).toBe(0o700);
  });

  // Only root may start a process of another user.
  it.skipIf(!canBeOthers)('opens it to no process of another user', async () => {
    expect(await asAnother(socket)).toBe('EACCES');
  });

  it.skipIf(!canBeOthers)('control: one that is open to all takes that process', async () => {
    const path = join(folder, 'open.sock');
    const open = createServer().listen(path);
    await new Promise((resolve) => open.once('listening', resolve));
    chmodSync(path, 0o666);
    expect(await asAnother(path)).toBe('connected');
    open.close();
  });
});
