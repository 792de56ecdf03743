import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Authority,
  createAuthority,
  type Leaf,
  type LeafRequest,
} from '../../sidecar/identity/development-ca.ts';

/** The three PEM files of one sidecar, as its settings name them. */
export interface IdentityFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** A directory of certificates of one authority, gone with `close`. */
export interface Certificates {
  readonly directory: string;
  readonly authority: Authority;
  /** Writes (or replaces, by rename) the files of `name` and answers where they are. */
  write(
    name: string,
    request?: LeafRequest,
    from?: Authority,
    roots?: readonly string[],
  ): Promise<IdentityFiles>;
  /** Replaces the trusted roots of `name`. */
  trust(name: string, roots: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** Makes an authority and a temporary directory for what it signs. */
export const certificates = async (): Promise<Certificates> => {
  const directory = await mkdtemp(join(tmpdir(), 'outrigger-certificates-'));
  const authority = await createAuthority();
  const files = (name: string): IdentityFiles => ({
    cert: join(directory, `${name}.pem`),
    key: join(directory, `${name}.key`),
    ca: join(directory, `${name}.ca`),
  });
  return {
    directory,
    authority,
    async write(name, request = { service: name }, from = authority, roots = [from.root]) {
      const leaf: Leaf = await from.issue(request);
      const { cert, key, ca } = files(name);
      await replace(key, leaf.key);
      await replace(cert, leaf.certificate);
      await replace(ca, roots.join(''));
      return files(name);
    },
    trust: (name, roots) => replace(files(name).ca, roots.join('')),
    close: () => rm(directory, { recursive: true, force: true }),
  };
};

/** By rename, as careful writers do: nobody reads half a file. */
const replace = async (path: string, text: string): Promise<void> => {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
};
