import { readFileSync } from 'node:fs';
import type { ConsulSettings } from './client.ts';
import { reasonOf } from './errors.ts';

/** What HTTPS to the agent is made with. */
export interface ConsulTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

/** Reads the files for HTTPS. Throws an error that names the setting, the cause and the fix. */
export const readTls = (settings: ConsulSettings): ConsulTls => ({
  ...(settings.caFile ? { ca: read('ca-file', settings.caFile) } : {}),
  ...(settings.certFile ? { cert: read('cert-file', settings.certFile) } : {}),
  ...(settings.keyFile ? { key: read('key-file', settings.keyFile) } : {}),
  ...(settings.serverName ? { servername: settings.serverName } : {}),
  ...(settings.verify === false ? { rejectUnauthorized: false } : {}),
});

const read = (setting: string, path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new Error(
      `discovery.consul.${setting} cannot be read: ${reasonOf(thrown)}; give the path of a PEM file`,
    );
  }
};
