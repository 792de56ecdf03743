import { constants } from 'node:fs';
import { access, lstat, mkdir } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';

/** Where the settings say that state is kept. */
export type StateDir = { readonly path: string } | 'default' | 'none';

/** Where packages make a directory for us. */
const packaged = '/var/lib/outrigger';

/**
 * The directory that `default` stands for, or null when this host has none: the first of
 * `$STATE_DIRECTORY/state` (systemd), `$XDG_STATE_HOME/outrigger` and `/var/lib/outrigger/state`, where the directory
 * above can be written. Nothing is guessed beyond that: a key must not turn up where nobody looks for one.
 */
export const usualPlace = async (
  env: Readonly<Record<string, string | undefined>>,
  lib: string = packaged,
): Promise<string | null> => {
  // systemd separates several with colons; the first is ours.
  const own = env['STATE_DIRECTORY']?.split(':')[0];
  if (own) return join(own, 'state');
  const home = env['XDG_STATE_HOME'];
  if (home?.startsWith('/')) return join(home, 'outrigger');
  const writable = await access(lib, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  );
  return writable ? join(lib, 'state') : null;
};

/** Why `path` is not ours alone, with the remedy, or null. `what` begins the sentence. */
export const strangersRights = async (
  path: string,
  what: string,
  folder: boolean,
): Promise<string | null> => {
  const found = await lstat(path);
  if (folder ? !found.isDirectory() : !found.isFile())
    return `${what} ${path} is no ${folder ? 'directory' : 'file'}: remove it, or set state-dir to another path`;
  if (found.uid !== userInfo().uid)
    return `${what} ${path} belongs to another user (uid ${found.uid}): run 'chown' on it, or set state-dir to another path`;
  const rights = found.mode & 0o777;
  if ((rights & 0o077) !== 0)
    return `${what} ${path} is open to other users (${rights.toString(8)}): run 'chmod ${folder ? '700' : '600'} ${path}'`;
  return null;
};

/** Makes the directory, 0700, where it is missing; throws with cause and remedy when it is not ours alone. */
export const ownDirectory = async (path: string): Promise<void> => {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    throw new Error(
      `state-dir ${path} cannot be made (${code}): make it and give it to this user, or set state-dir to another path`,
    );
  }
  const why = await strangersRights(path, 'state-dir', true);
  if (why !== null) throw new Error(why);
};
