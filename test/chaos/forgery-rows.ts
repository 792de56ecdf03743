import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { forgeLines } from '../support/forged-lines.ts';
import { playIdentities } from '../support/identity-games.ts';
import { playPaths } from '../support/path-games.ts';
import { twoSidecars } from '../support/sidecars.ts';
import {
  asAnother,
  askRaw,
  canBeOthers,
  changes,
  fromPages,
  openElsewhere,
  strayPaths,
} from '../support/trespassers.ts';
import type { Finding, Row } from './row.ts';

const lines = async (): Promise<Finding> => {
  const seen = await forgeLines();
  const control = await forgeLines(true);
  const told = seen.parsed.filter(({ event }) => event === 'call').length;
  const dirty = seen.shown.filter((id) => !/^[A-Za-z0-9._:-]{1,128}$/.test(id)).length;
  return {
    measured: `${told} lines of ${seen.calls} calls, ${seen.broken.length} broken; ${seen.rejected} of ${seen.dirty} ids made anew`,
    control: `a log put together by hand: ${control.broken.length} broken, terminal ${control.treacherous ? 'obeys' : 'safe'}`,
    kept:
      told === seen.calls &&
      seen.broken.length === 0 &&
      !seen.treacherous &&
      seen.rejected === seen.dirty &&
      dirty === 0 &&
      control.broken.length > 0 &&
      control.treacherous,
  };
};

const identities = async (): Promise<Finding> => {
  const { sent, arrived, caller, returned, direct } = await playIdentities();
  const ours = ['x-outrigger-caller', 'x-outrigger-token'];
  const strange = arrived.filter((name) => !ours.includes(name)).length;
  return {
    measured: `${strange} of ${sent} names arrived, ${returned.length} came back; the app sees '${caller}'`,
    control: `without sidecars ${direct} arrive and come back`,
    kept: strange === 0 && returned.length === 0 && caller === 'web' && direct >= sent,
  };
};

const paths = async (): Promise<Finding> => {
  const { codes, reached, direct, refused } = await playPaths();
  return {
    measured: `${reached.length} of ${codes.length} reached the app, ${refused} UNIMPLEMENTED and counted`,
    control: `without sidecars ${direct.length} reach it`,
    kept: reached.length === 0 && codes.every((code) => code === '12' || code === '') && direct.length > 15,
  };
};

const portOf = (address: string): number => Number(address.slice(address.lastIndexOf(':') + 1));
const portOfServer = (server: Server): number => (server.address() as { port: number }).port;

const trespass = async (): Promise<Finding> => {
  const folder = mkdtempSync(join(tmpdir(), 'outrigger-trespass-'));
  const [free, socket] = ['127.0.0.1:0', join(folder, 'run', 'web.sock')];
  const listen = { app: free, admin: free, health: free, control: `unix:${socket}` };
  const mesh = await twoSidecars({ caller: { listen } });
  const open = createServer().listen(0, '0.0.0.0');
  try {
    const admin = portOf(mesh.caller.ports.admin);
    const health = portOf(mesh.caller.ports.health!);
    const count = async (port: number, requests: readonly string[]): Promise<number> => {
      const answers = await Promise.all(requests.map((request) => askRaw(port, request)));
      return answers.filter(({ code }) => code === 200).length;
    };
    const pages = Object.values(fromPages('/metrics'));
    const requests = [...pages, ...changes, ...strayPaths];
    const answered = await count(admin, requests);
    const elsewhere = (await openElsewhere(admin)).length;
    const other = canBeOthers ? await asAnother(socket) : 'not tried: only root can';
    const [read, found] = [await count(health, pages), (await openElsewhere(portOfServer(open))).length];
    return {
      measured: `${answered} of ${requests.length} answered, ${elsewhere} other addresses; another user: ${other}`,
      control: `without the rule ${read} of ${pages.length} pages read; open to all: ${found} addresses`,
      kept: answered === 0 && elsewhere === 0 && other !== 'connected' && read > 0 && found > 0,
    };
  } finally {
    open.close();
    await mesh.close();
    rmSync(folder, { recursive: true });
  }
};

/** What somebody tries to be, to read or to write who is not the one that may. */
export const forgeryRows: readonly Row[] = [
  {
    id: 'T-60',
    fault: 'forged lines in 13 places of a request',
    promise: '1 JSON line a call, unclean ids made anew',
    run: lines,
  },
  {
    id: 'T-61',
    fault: 'spoofed names of callers, both ways',
    promise: 'the app sees the verified caller alone',
    run: identities,
  },
  { id: 'T-62', fault: 'odd paths', promise: 'none reaches the app', run: paths },
  {
    id: 'T-66',
    fault: 'pages, other users, stray paths',
    promise: 'nothing read, nothing changed, loopback alone',
    run: trespass,
  },
];
