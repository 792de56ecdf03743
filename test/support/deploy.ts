import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { readSettings } from '../../sidecar/settings/load.ts';
import type { Settings } from '../../sidecar/settings/settings.ts';
import { root } from './sources.ts';

/** The text of a file below deploy/. */
export const deployed = (path: string): string => readFileSync(join(root, 'deploy', path), 'utf8');

/** The documents of a YAML file below deploy/; throws with the place of a fault, duplicate keys among them. */
export const documents = <T>(path: string): T[] =>
  parseAllDocuments(deployed(path), { merge: true, uniqueKeys: true }).map((document) => {
    for (const fault of [...document.errors, ...document.warnings])
      throw new Error(`${path}: ${fault.message}`);
    return document.toJS() as T;
  });

/** Settings that stand in a deployment: every key is known to the schema, and nothing contradicts or is risky. */
export const settingsIn = (text: string, name: string): Settings => {
  const { settings, warnings } = readSettings(text, name, '/etc/outrigger');
  if (warnings.length > 0) throw new Error(`${name}: ${warnings.map(({ message }) => message).join('; ')}`);
  return settings;
};
