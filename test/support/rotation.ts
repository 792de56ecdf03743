import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:tls';
import type { Log } from '../../sidecar/core/log.ts';
import { type Authority, createAuthority } from '../../sidecar/identity/development-ca.ts';
import type { Sidecar } from '../../sidecar/index.ts';
import { until } from './raw-http2.ts';
import type { TwoSidecars } from './sidecars.ts';

/** What the sidecar shows of its certificate: name and dates. */
export const leafOf = (sidecar: Sidecar): string => JSON.stringify(sidecar.identity());

/** Hours that certificates of a test live: not the default, so that leaves made within a second can be told apart. */
const otherHours = 80;
const hours = (count: number): number => count * 3600_000;

/** Both sides of the mesh, by the names in their certificates. */
const sides = ({ callees, caller }: TwoSidecars): readonly (readonly [string, Sidecar])[] => [
  ['echo', callees[0]!],
  ['web', caller],
];

/** Gives both sides the `turn`th new leaf of the same authority; resolves once both show it. */
export const renewLeaves = async (mesh: TwoSidecars, turn: number): Promise<void> => {
  const before = sides(mesh).map(([, sidecar]) => leafOf(sidecar));
  for (const [name] of sides(mesh))
    await mesh.certificates.write(name, { service: name, ttlMs: hours(otherHours + 1 + turn) });
  const renewed = (): boolean => sides(mesh).every(([, sidecar], at) => leafOf(sidecar) !== before[at]);
  await until(renewed, `rotation ${turn}`);
};

/** A log that counts how often identities were renewed, and says nothing. */
export const renewalsLog = (): { readonly log: Log; readonly renewals: () => number } => {
  let renewals = 0;
  const info = (_: object, message: string): void => {
    if (message.startsWith('identity renewed from ')) renewals++;
  };
  return {
    log: { debug: () => {}, info, warn: () => {}, error: () => {} },
    renewals: () => renewals,
  };
};

/** An authority that takes over from the mesh's own, in its trust domain. */
export const nextAuthority = ({ certificates }: TwoSidecars): Promise<Authority> =>
  createAuthority({ trustDomain: certificates.authority.trustDomain });

/** First step of a change of the authority: both sides trust the new root beside the old one. */
export const addRoot = async (mesh: TwoSidecars, next: Authority, renewals: () => number): Promise<void> => {
  const { certificates } = mesh;
  const before = renewals();
  for (const [name] of sides(mesh)) await certificates.trust(name, [certificates.authority.root, next.root]);
  await until(() => renewals() === before + 2, 'both roots on both sides');
};

/** Second step: both sides get leaves of the new authority, one after the other. */
export const switchLeaves = async (mesh: TwoSidecars, next: Authority): Promise<void> => {
  const { certificates } = mesh;
  const both = [certificates.authority.root, next.root];
  for (const [name, sidecar] of sides(mesh)) {
    const leaf = leafOf(sidecar);
    await certificates.write(name, { service: name, ttlMs: hours(otherHours) }, next, both);
    await until(() => leafOf(sidecar) !== leaf, `the new leaf of ${name}`);
  }
};

/** Last step: both sides drop the old root. */
export const dropRoot = async ({ certificates }: TwoSidecars, next: Authority): Promise<void> => {
  await certificates.trust('web', [next.root]);
  await certificates.trust('echo', [next.root]);
};

/** The mistake that the first step avoids: the callee's leaf is of an authority that nobody was told of. */
export const switchUntold = async (
  { certificates, callees }: TwoSidecars,
  next: Authority,
): Promise<void> => {
  const callee = callees[0]!;
  const leaf = leafOf(callee);
  await certificates.write('echo', { service: 'echo', ttlMs: hours(otherHours) }, next, [next.root]);
  await until(() => leafOf(callee) !== leaf, 'the new leaf');
};

/** The serial number of the certificate that whoever dials the callee now is shown. */
export const serialShown = async ({ callees }: Pick<TwoSidecars, 'callees'>): Promise<string> => {
  const [host, port] = callees[0]!.ports.peers!.split(':') as [string, string];
  const socket = connect({ host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] });
  socket.on('error', () => {}); // we have no certificate of our own to show
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
};

/** The serial number of the certificate in the callee's file. */
export const serialWritten = async ({ certificates }: TwoSidecars): Promise<string> =>
  new X509Certificate(await readFile(`${certificates.directory}/echo.pem`)).serialNumber;
