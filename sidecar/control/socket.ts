import { chmodSync, lstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';

/**
 * Where the control socket lies unless the settings say otherwise. The admin port is part of the name, because it is
 * unique on a host and known to whoever asks.
 */
export const controlPath = (service: string, adminPort: number): string => {
  const runtime = process.env['XDG_RUNTIME_DIR'];
  const folder = runtime ? join(runtime, 'outrigger') : join(tmpdir(), `outrigger-${userInfo().uid}`);
  // A unix socket's path has 103 bytes, and macOS spends half of them on its temporary folder.
  return join(folder, `${(service || 'proxy').slice(0, 24)}-${adminPort}.sock`);
};

/**
 * Listens on a unix socket that only its user can open: 0600 in a folder that is 0700. The folder is what guards,
 * because a socket has the rights of the umask for a moment before they are changed.
 *
 * Removes what a dead process left behind; rejects with cause, place and fix.
 */
export const listenPrivately = async (server: Server, path: string): Promise<void> => {
  ownFolder(dirname(path));
  await removeStale(path, 'the control socket', 'listen.control');
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new Error(`the control socket ${path} could not be opened: ${error.message}; set listen.control`),
      ),
    );
    server.listen({ path }, resolve);
  });
  chmodSync(path, 0o600);
};

const ownFolder = (folder: string): void => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const found = lstatSync(folder);
  // In a shared temporary folder somebody else may have made the name first, to listen in our place.
  if (!found.isDirectory() || found.uid !== userInfo().uid)
    throw new Error(
      `the control socket's folder ${folder} belongs to another user: set listen.control to unix:PATH in a folder of yours`,
    );
  if ((found.mode & 0o077) !== 0)
    throw new Error(
      `the control socket's folder ${folder} is open to other users: run 'chmod 700 ${folder}', or set listen.control`,
    );
};

/**
 * Removes the unix socket that a dead process left at `path`; rejects when it is in use or no socket. `what` and
 * `setting` name it in messages.
 */
export const removeStale = async (path: string, what: string, setting: string): Promise<void> => {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket())
    throw new Error(`${what} ${path} is a file of another kind: set ${setting} to another path`);
  if (await answers(path))
    throw new Error(`${what} ${path} is in use: stop the other sidecar, or set ${setting} to another path`);
  unlinkSync(path);
};

const answers = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
