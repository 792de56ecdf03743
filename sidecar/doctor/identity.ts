import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isAnchored, pairUp } from '../identity/pair.ts';
import type { IdentitySettings } from '../settings/settings.ts';
import { below, items, textOf } from './answers.ts';
import { because, type Check, type Finding, fault } from './finding.ts';
import type { World } from './world.ts';

/** What we prove ourselves with: it can be read, fits together, and holds today. */
export const identityChecks: readonly Check[] = [
  {
    name: 'certificate-files',
    look: async ({ settings: { identity }, wall }) =>
      identity.from === 'files' ? fromFiles(identity, wall()) : [],
  },
  { name: 'certificate', look: fromConsul },
  {
    name: 'running-certificate',
    look: async (world) => {
      const running = await world.running();
      if (running?.validTo == null || running.validTo > world.wall()) return [];
      return [
        fault(
          `the certificate of the sidecar that runs has expired on ${day(running.validTo)}`,
          'restart it once its source has a new one: the checks of agent, token and files say what is in the way',
        ),
      ];
    },
  },
];

async function fromFiles(
  files: Extract<IdentitySettings, { from: 'files' }>,
  now: number,
): Promise<Finding[]> {
  const read = async (key: 'cert' | 'key' | 'ca'): Promise<string | Finding> =>
    readFile(files[key], 'utf8').catch((thrown) =>
      fault(
        `identity.files.${key} cannot be read: ${because(thrown)}`,
        `give the path of a PEM file that this user may read`,
      ),
    );
  const texts = await Promise.all([read('cert'), read('key'), read('ca')]);
  const unread = texts.filter((text) => typeof text !== 'string');
  if (unread.length > 0) return unread;
  const [certificate, key, roots] = texts as [string, string, string];
  const places = { certificate: files.cert, key: files.key, roots: files.ca };
  try {
    const made = pairUp({ certificate, key, roots: [roots], places });
    if (!isAnchored(made))
      return [
        fault(
          `${files.cert} is signed by none of the roots in ${files.ca}: no peer believes it`,
          'add the root that signed it to identity.files.ca, on every host',
        ),
      ];
    return dated(
      `the certificate ${files.cert}`,
      made.validFrom,
      made.validTo,
      now,
      'renew it (cert-manager, SPIRE or your own CA)',
    );
  } catch (thrown) {
    return [fault(because(thrown), 'write certificate, key and roots anew, from one source')];
  }
}

async function fromConsul(world: World): Promise<Finding[]> {
  const { service, settings } = world;
  if (settings.identity.from !== 'consul' || (await world.agent()) === null) return [];
  const now = world.wall();
  const roots = items(below(await world.ask('/agent/connect/ca/roots'), 'Roots')).filter(
    (root) => below(root, 'Active') === true,
  );
  const found = roots.flatMap((root) =>
    certificateDates(
      `the root certificate '${textOf(below(root, 'Name'))}' of Consul`,
      below(root, 'RootCert'),
      now,
    ),
  );
  if (service === null) return found;
  const leaf = await world.ask(`/agent/connect/ca/leaf/${service}`);
  return [
    ...found,
    ...certificateDates(`the certificate of '${service}' from Consul`, below(leaf, 'CertPEM'), now),
  ];
}

const certificateDates = (what: string, pem: unknown, now: number): Finding[] => {
  if (typeof pem !== 'string') return [];
  try {
    const { validFrom, validTo } = new X509Certificate(pem);
    return dated(
      what,
      Date.parse(validFrom),
      Date.parse(validTo),
      now,
      'consul connect ca get-config; see to the CA provider of the Consul servers',
    );
  } catch (thrown) {
    return [
      fault(`${what} cannot be read: ${because(thrown)}`, 'see to the CA provider of the Consul servers'),
    ];
  }
};

const dated = (what: string, from: number, to: number, now: number, renew: string): Finding[] => {
  if (now < from)
    return [
      fault(
        `${what} is not valid before ${day(from)}, by this machine's clock`,
        'set the clock (timedatectl set-ntp true): it is behind the one of the CA',
      ),
    ];
  if (now > to) return [fault(`${what} has expired on ${day(to)}`, renew)];
  return [];
};

const day = (ms: number): string => new Date(ms).toISOString();
