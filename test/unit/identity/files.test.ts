import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority, type Leaf } from '../../../sidecar/identity/development-ca.ts';
import { fileIdentity } from '../../../sidecar/identity/files.ts';
import { breathe, drive } from '../../support/drive.ts';
import { stillKit } from '../../support/kit.ts';

let authority: Authority;
let first: Leaf;
let second: Leaf;
beforeAll(async () => {
  authority = await createAuthority({ trustDomain: 'td.consul' });
  first = await authority.issue({ service: 'orders' });
  second = await authority.issue({ service: 'orders' });
});

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

const files = () => {
  const directory = mkdtempSync(join(tmpdir(), 'outrigger-'));
  cleanUp.push(() => rmSync(directory, { recursive: true }));
  const paths = {
    cert: join(directory, 'cert.pem'),
    key: join(directory, 'key.pem'),
    ca: join(directory, 'ca.pem'),
  };
  writeFileSync(paths.cert, first.certificate);
  writeFileSync(paths.key, first.key);
  writeFileSync(paths.ca, authority.root);
  return { directory, ...paths };
};

const start = async (paths = files()) => {
  const kit = stillKit();
  const stop = new AbortController();
  const source = await fileIdentity({ ...paths, kit, signal: stop.signal });
  cleanUp.push(() => {
    stop.abort();
    expect(kit.wheel.size).toBe(0);
  });
  return { ...paths, kit, source, stop };
};

describe('identity from files', () => {
  it('reads certificate, key and roots, and who we are', async () => {
    const { source } = await start();
    expect(source.identity.value).toMatchObject({
      spiffe: 'spiffe://td.consul/ns/default/dc/dc1/svc/orders',
      validFrom: first.validFrom,
      validTo: first.validTo,
    });
    expect(source.identity.value!.roots.length).toBe(1);
    expect(Object.isFrozen(source.identity.value)).toBe(true);
  });

  it('renews when both files have changed, and keeps the old pair between', async () => {
    const { kit, source, cert, key } = await start();
    const before = source.identity.value;
    const refused = kit.meter.count('outrigger_identities_refused_total', 'files');
    writeFileSync(cert, second.certificate);
    await drive(kit, 'the refusal of half a pair', () => refused.value === 1);
    expect(source.identity.value).toBe(before);
    expect(source.trouble()).toMatch(/key\.pem is not the key of .*cert\.pem; half of a renewal was written/);
    writeFileSync(key, second.key);
    await drive(kit, 'the renewal', () => source.identity.value !== before);
    expect(source.identity.value!.key).toBe(second.key);
    expect(source.trouble()).toBeNull();
  });

  it('would break the listeners if nobody compared them (control)', () => {
    expect(() => createSecureContext({ cert: second.certificate, key: first.key })).toThrow(
      'key values mismatch',
    );
    expect(() => createSecureContext({ cert: second.certificate, key: second.key })).not.toThrow();
  });

  it('follows the link that a mounted secret changes by', async () => {
    const { directory } = files();
    const version = (name: string, leaf: Leaf): void => {
      mkdirSync(join(directory, name));
      writeFileSync(join(directory, name, 'cert'), leaf.certificate);
      writeFileSync(join(directory, name, 'key'), leaf.key);
      writeFileSync(join(directory, name, 'ca'), authority.root);
    };
    version('v1', first);
    symlinkSync('v1', join(directory, 'data'));
    for (const name of ['cert', 'key', 'ca']) symlinkSync(join('data', name), join(directory, name));
    const at = (name: string): string => join(directory, name);
    const { kit, source } = await start({ directory, cert: at('cert'), key: at('key'), ca: at('ca') });
    version('v2', second);
    symlinkSync('v2', at('data~'));
    renameSync(at('data~'), at('data'));
    await drive(kit, 'the renewal', () => source.identity.value!.key === second.key);
    expect(kit.meter.count('outrigger_identities_refused_total', 'files').value).toBe(0);
  });

  it('takes a second root beside the first', async () => {
    const { kit, source, ca } = await start();
    const other = await createAuthority();
    writeFileSync(ca, `${authority.root}\n${other.root}`);
    await drive(kit, 'two roots', () => source.identity.value!.roots.length === 2);
  });

  it('changes nothing when the files are written again as they were', async () => {
    const { kit, source, cert } = await start();
    let changes = 0;
    source.identity.listen(() => changes++);
    writeFileSync(cert, first.certificate);
    for (let step = 0; step < 100; step++) {
      kit.pass(50);
      await breathe(1);
    }
    expect(changes).toBe(0);
  });

  it.each([
    ['cert', '', /identity\.files\.cert: .*cert\.pem holds no certificate; it must be PEM/],
    ['cert', 'cut', /identity\.files\.cert: .*cert\.pem (breaks off within|holds no) a? ?certificate/],
    ['cert', 'bad', /identity\.files\.cert: .*cert\.pem holds a certificate that cannot be read/],
    ['key', 'nonsense', /identity\.files\.key: .*key\.pem holds no private key that can be read/],
    ['ca', 'nonsense', /identity\.files\.ca: .*ca\.pem holds no certificate/],
  ] as const)('names the file at fault: %s with %j', async (which, text, message) => {
    const paths = files();
    const texts: Record<string, string> = {
      cut: first.certificate.slice(0, 200),
      bad: '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n',
    };
    writeFileSync(paths[which], texts[text] ?? text);
    const kit = stillKit();
    await expect(fileIdentity({ ...paths, kit, signal: new AbortController().signal })).rejects.toThrow(
      message,
    );
    expect(kit.wheel.size).toBe(0);
  });

  it('names a file that is not there', async () => {
    const paths = files();
    rmSync(paths.key);
    const kit = stillKit();
    await expect(fileIdentity({ ...paths, kit, signal: new AbortController().signal })).rejects.toThrow(
      /identity\.files\.key: .*key\.pem cannot be read \(ENOENT\); check the path and its permissions/,
    );
  });

  it('never shows a key in a message', async () => {
    const paths = files();
    writeFileSync(paths.key, first.key.replace('BEGIN', 'BEGUN'));
    const thrown = await fileIdentity({
      ...paths,
      kit: stillKit(),
      signal: new AbortController().signal,
    }).catch((error) => error);
    for (const line of first.key.split('\n').slice(1, -2)) expect(String(thrown)).not.toContain(line);
  });
});
