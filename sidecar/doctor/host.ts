import { accessSync, constants, existsSync, lstatSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { controlPath } from '../control/socket.ts';
import { type Place, writePlace } from '../settings/address.ts';
import { strangersRights, usualPlace } from '../state/place.ts';
import { type Check, type Finding, fault } from './finding.ts';
import { hold, whyClosed } from './sockets.ts';
import type { World } from './world.ts';

/** The oldest Node that this runs on, as package.json says. */
const oldestNode = [20, 19] as const;
/** Open files that a busy sidecar takes: a thousand connections on each side, and some room. */
const fewestFiles = 4096;

/** The machine: Node, limits, ports and folders. */
export const hostChecks: readonly Check[] = [
  {
    name: 'node',
    look: async ({ nodeVersion }) => {
      const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
      if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return [];
      return [
        fault(
          `Node ${nodeVersion} is too old: ${oldestNode.join('.')} is the oldest that works`,
          `install Node ${oldestNode[0]} LTS or later, or use the single executable`,
        ),
      ];
    },
  },
  {
    name: 'open-files',
    look: async ({ openFiles }) =>
      openFiles === null || openFiles >= fewestFiles
        ? []
        : [
            fault(
              `a process may open ${openFiles} files here, and a busy sidecar takes ${fewestFiles}`,
              'ulimit -n 65536 in the shell that starts it; LimitNOFILE=65536 in a systemd unit',
            ),
          ],
  },
  { name: 'ports', look: ports },
  {
    name: 'control',
    look: async ({ settings, service, uid }) => {
      const { control, admin } = settings.listen;
      if (control === 'none') return [];
      const folder = dirname(control === 'default' ? controlPath(service ?? '', admin.port) : control.path);
      const found = whatIs(folder);
      if (found === undefined) return [];
      if (!found.isDirectory() || found.uid !== uid)
        return [
          fault(
            `the folder ${folder} of the control socket belongs to another user`,
            'set listen.control to unix:PATH in a folder of yours, or to none',
          ),
        ];
      if ((found.mode & 0o077) === 0) return [];
      return [
        fault(`the folder ${folder} of the control socket is open to other users`, `chmod 700 ${folder}`),
      ];
    },
  },
  {
    name: 'state-dir',
    look: async ({ settings: { stateDir }, env }) => {
      if (stateDir === 'none') return [];
      const path = stateDir === 'default' ? await usualPlace(env) : stateDir.path;
      // Nobody has asked for one: the sidecar says at its start that it keeps nothing.
      if (path === null) return [];
      const remedy = (command: string): string => `${command}, or set state-dir to another path`;
      if (whatIs(path) !== undefined) {
        const why = await strangersRights(path, 'state-dir', true);
        return why === null
          ? []
          : [
              fault(
                why.slice(0, why.lastIndexOf(': ')),
                remedy(`chown it to this user, and chmod 700 ${path}`),
              ),
            ];
      }
      const above = nearestAbove(path);
      if (isWritable(above)) return [];
      return [
        fault(
          `state-dir ${path} cannot be made: ${above} is not ours to write`,
          remedy(`make it and give it to this user`),
        ),
      ];
    },
  },
];

/** What stands at a path; undefined where nothing does, or where nobody of us may look. */
const whatIs = (path: string, look: (path: string) => Stats = lstatSync): Stats | undefined => {
  try {
    return look(path);
  } catch {
    return undefined;
  }
};

const nearestAbove = (path: string): string =>
  existsSync(dirname(path)) ? dirname(path) : nearestAbove(dirname(path));

const isWritable = (folder: string): boolean => {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return whatIs(folder, statSync)?.isDirectory() === true;
  } catch {
    return false;
  }
};

async function ports(world: World): Promise<Finding[]> {
  const { settings, service } = world;
  const { app, peers, admin, health } = settings.listen;
  const running = await world.running();
  if (running !== null && running.service === (service ?? '')) return [];
  const places: [string, Place][] = [
    ['listen.admin', admin],
    ['listen.app', app],
    ...(health === null ? [] : ([['listen.health', health]] as [string, Place][])),
    ...(peers === null ? [] : ([['listen.peers', peers]] as [string, Place][])),
    ...Object.entries(settings.upstreams).map(([name, place]): [string, Place] => [
      `upstreams.${name}`,
      place,
    ]),
  ];
  const found = await Promise.all(
    places.map(([key, place]) =>
      'path' in place ? socketFault(key, place.path) : world.alone(() => portFault(key, place, running)),
    ),
  );
  return found.flat();
}

const portFault = async (
  key: string,
  place: { readonly host: string; readonly port: number },
  running: { readonly service: string; readonly ports: readonly string[] } | null,
): Promise<Finding[]> => {
  if (place.port === 0) return [];
  const where = writePlace(place);
  try {
    await (await hold(place)).letGo();
    return [];
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      const isTheirs = running?.ports.some((port) => port.split(':').at(-1) === String(place.port)) === true;
      return [
        fault(
          isTheirs
            ? `two sidecars for one port: ${key} ${where} is taken by the sidecar of '${running?.service}'`
            : `${key} ${where} is taken by another process`,
          `set ${key} to a free port, or stop who has it (ss -ltnp 'sport = :${place.port}')`,
        ),
      ];
    }
    if (code === 'EACCES')
      return [fault(`${key} ${where} may not be opened by this user`, `set ${key} to a port above 1023`)];
    if (code === 'EADDRNOTAVAIL')
      return [
        fault(
          `${key} ${where} is no address of this machine`,
          `set ${key} to 0.0.0.0:${place.port} or 127.0.0.1:${place.port}`,
        ),
      ];
    return [fault(`${key} ${where} cannot be opened: ${message}`, `set ${key} to another address`)];
  }
};

const socketFault = async (key: string, path: string): Promise<Finding[]> => {
  const folder = whatIs(dirname(path), statSync);
  if (folder === undefined || !folder.isDirectory())
    return [fault(`the folder of ${key} unix:${path} is not there`, `mkdir -m 700 -p ${dirname(path)}`)];
  const found = whatIs(path);
  if (found === undefined) return [];
  if (!found.isSocket())
    return [fault(`${key} unix:${path} is a file of another kind`, `set ${key} to another path`)];
  if ((await whyClosed({ path })) !== null) return [];
  return [
    fault(
      `${key} unix:${path} is taken by another process`,
      `set ${key} to another path, or stop who has it`,
    ),
  ];
};
