import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { strangersRights } from './place.ts';

/** What a file of state is about. A file that says anything else is another's. */
export interface StateHead {
  /** `identity` or `mesh`. */
  readonly part: string;
  /** The service beside us; empty for a pure caller without a name. */
  readonly service: string;
  /** URL of the Consul agent that said it. */
  readonly agent: string;
}

/** A kept part. */
export interface Kept<T> {
  readonly value: T;
  /** Wall-clock milliseconds since 1970 when Consul last stood by it. */
  readonly savedAt: number;
}

/** Why a state is not used: a label for metrics, and a sentence with cause and place. */
export class StateRefused extends Error {
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** Grows when what is written can no longer be read by those before. */
const format = 1;
/** Bytes of the longest file: an identity has some 5 KiB, an instance some 100 bytes. */
export const longestState: number = 16 * 1024 * 1024;

/** Age beyond which a snapshot is not used, milliseconds: the life of Consul's leaves, after which no call would pass. */
export const oldestMs: number = 72 * 3600_000;

/** The first line of a file; the body is the second, so that its checksum needs no agreement on how JSON is written. */
interface FirstLine extends StateHead {
  readonly outrigger: 'state';
  readonly format: number;
  readonly savedAt: number;
  readonly sha256: string;
}

/**
 * Reads what was kept under `head`, or null when there is nothing. Throws `StateRefused` for what must not be
 * used: other people's rights, damage, another format, another service, another agent.
 */
export const readState = async (path: string, head: StateHead): Promise<Kept<string> | null> => {
  const text = await readOwn(path);
  if (text === null) return null;
  const refuse = (reason: string, why: string): never => {
    throw new StateRefused(reason, `${path} ${why}`);
  };
  const end = text.indexOf('\n');
  const first = firstLine(text.slice(0, Math.max(0, end)));
  if (first === null) return refuse('damaged', 'does not begin as a state does');
  if (first.format !== format)
    return refuse('format', `is of format ${first.format}, this release reads ${format}`);
  const body = text.slice(end + 1);
  if (sum(body) !== first.sha256) return refuse('damaged', 'is damaged: its checksum does not fit');
  if (first.part !== head.part) return refuse('other', `holds '${first.part}', not '${head.part}'`);
  if (first.service !== head.service)
    return refuse('other', `is of the service '${first.service}', not of '${head.service}'`);
  if (first.agent !== head.agent)
    return refuse('other', `comes from Consul at ${first.agent}, the settings say ${head.agent}`);
  return { value: body, savedAt: first.savedAt };
};

/**
 * Writes a state so that whoever reads, at any time and after any crash, finds the one before or this one whole:
 * into a file beside it, to the disk, then in its place. Rejects when it is too long or cannot be written.
 */
export const writeState = async (
  path: string,
  head: StateHead,
  body: string,
  wall: number,
): Promise<void> => {
  const { part, service, agent } = head;
  const first: FirstLine = {
    outrigger: 'state',
    format,
    part,
    service,
    agent,
    savedAt: wall,
    sha256: sum(body),
  };
  const octets = Buffer.from(`${JSON.stringify(first)}\n${body}`);
  if (octets.length > longestState)
    throw new Error(`${path} would have ${octets.length} bytes, above ${longestState}`);
  // One name for each process: two sidecars of a service share the place, and the last one wins, whole.
  const beside = `${path}.${process.pid}.new`;
  await remove(beside);
  const file = await open(beside, 'wx', 0o600);
  try {
    await file.writeFile(octets).then(() => file.sync());
    await file.close();
    await rename(beside, path);
  } catch (thrown) {
    await file.close().catch(() => {}); // it may be closed already
    await remove(beside);
    throw thrown;
  }
  const directory = await open(dirname(path), constants.O_RDONLY);
  // The name is on the disk too. Some file systems cannot sync a directory: then a crash may lose this one write.
  await directory.sync().catch(() => {});
  await directory.close();
};

/** Milliseconds after which what is half written belongs to nobody any more. */
const orphanedMs = 60_000;

/** Removes what processes that were killed have left half written in `directory`: there may be a key in it. */
export const sweepState = async (directory: string, wall: number): Promise<void> => {
  const names = await readdir(directory).catch(() => []);
  for (const name of names.filter((each) => /\.json\.\d+\.new$/.test(each))) {
    const path = join(directory, name);
    const age = await lstat(path).then(
      ({ mtimeMs }) => wall - mtimeMs,
      () => 0,
    );
    if (age > orphanedMs) await remove(path);
  }
};

const readOwn = async (path: string): Promise<string | null> => {
  // Not waiting for who would write into a pipe.
  const how = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, how).catch((thrown) => {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    if (code === 'ELOOP')
      throw new StateRefused('rights', `${path} is a link: state is never read through one`);
    throw new StateRefused('unreadable', `${path} cannot be read (${code})`);
  });
  if (file === null) return null;
  try {
    const why = await strangersRights(path, 'the state', false);
    if (why !== null) throw new StateRefused('rights', why);
    const { size } = await file.stat();
    if (size > longestState)
      throw new StateRefused('damaged', `${path} has ${size} bytes, above ${longestState}`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
};

/** No date is further from 1970, milliseconds. */
const latest = 8.64e15;

const firstLine = (line: string): FirstLine | null => {
  try {
    const read = JSON.parse(line) as FirstLine | null;
    return read?.outrigger === 'state' && Math.abs(read.savedAt) <= latest ? read : null;
  } catch {
    return null;
  }
};

const sum = (body: string): string => createHash('sha256').update(body).digest('hex');

const remove = (path: string): Promise<void> => unlink(path).catch(() => {});
