import { readFile } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import { Cell } from '../core/cell.ts';
import type { Identity } from '../core/identity.ts';
import type { Kit } from '../core/kit.ts';
import { messageOf } from '../core/thrown.ts';
import { watchFiles } from '../core/watch-files.ts';
import { watchExpiry } from './expiry.ts';
import { pairUp } from './pair.ts';
import type { IdentitySource } from './source.ts';

/** Where the PEM files are. */
export interface FileIdentityOptions {
  /** Leaf first, then intermediates. */
  readonly cert: string;
  readonly key: string;
  /** Every trusted root. */
  readonly ca: string;
  readonly kit: Kit;
  readonly signal: AbortSignal;
}

/** A certificate of 16 KiB is refused by peers; a file of this many bytes is not a certificate. */
const largestFile = 1024 * 1024;

/**
 * Identity from files, as SPIRE, cert-manager or a script write them, read again when one of them changes.
 *
 * Rejects when the files cannot be used at start, with an error that names the file. Later a pair that is half
 * written or does not match keeps the one before, logged and counted.
 */
export const fileIdentity = async (options: FileIdentityOptions): Promise<IdentitySource> => {
  const { kit, signal } = options;
  const identity = new Cell<Identity | null>(await readIdentity(options));
  let trouble: string | null = null;
  let closed = false;
  let reading = false;
  let again = false;

  const reload = async (): Promise<void> => {
    // One at a time, and once more when the files changed meanwhile: an old pair must not win over a newer one.
    again = true;
    if (reading) return;
    reading = true;
    while (again && !closed) {
      again = false;
      try {
        const next = await readIdentity(options);
        if (closed) break;
        trouble = null;
        if (isDeepStrictEqual(next, identity.value)) continue;
        identity.set(next);
        const fields = { spiffe: next.spiffe, validTo: new Date(next.validTo).toISOString() };
        kit.log.info(fields, 'identity renewed from files');
      } catch (thrown) {
        trouble = messageOf(thrown);
        kit.meter.count('outrigger_identities_refused_total', 'files').value++;
        kit.log.warn(
          { cause: trouble },
          'the changed certificate files are not used; the identity before holds',
        );
      }
    }
    reading = false;
  };

  const stop = watchFiles([options.cert, options.key, options.ca], kit, () => void reload());
  const quiet = watchExpiry(identity, kit);
  const close = (): void => {
    closed = true;
    signal.removeEventListener('abort', close);
    stop();
    quiet();
  };
  if (signal.aborted) close();
  else signal.addEventListener('abort', close, { once: true });
  return { kind: 'files', identity, trouble: () => trouble, isDue: () => true, standsIn: () => false, close };
};

const readIdentity = async ({ cert, key, ca }: FileIdentityOptions): Promise<Identity> => {
  const [certificate, keyText, roots] = await Promise.all([
    readPem(cert, 'identity.files.cert'),
    readPem(key, 'identity.files.key'),
    readPem(ca, 'identity.files.ca'),
  ]);
  const places = {
    certificate: `identity.files.cert: ${cert}`,
    key: `identity.files.key: ${key}`,
    roots: `identity.files.ca: ${ca}`,
  };
  return pairUp({ certificate, key: keyText, roots: [roots], places });
};

const readPem = async (path: string, setting: string): Promise<string> => {
  const text = await readFile(path, 'utf8').catch((thrown) => {
    const cause = (thrown as NodeJS.ErrnoException).code ?? String(thrown);
    throw new Error(`${setting}: ${path} cannot be read (${cause}); check the path and its permissions`);
  });
  if (text.length > largestFile) throw new Error(`${setting}: ${path} is longer than ${largestFile} bytes`);
  return text;
};
