import { writeFileSync } from 'node:fs';
import { createAuthority } from '../../sidecar/identity/development-ca.ts';

/** Files of one authority: `ca.pem`, and for each of `web` (the caller) and `echo` a `.pem`, a `.key` and `-both.pem`. */
export interface Certificates {
  readonly directory: string;
  /** SPIFFE ids by service. */
  readonly spiffe: { readonly web: string; readonly echo: string };
}

/** Makes an authority with the identities of both sides. */
export const makeCertificates = async (directory: string): Promise<Certificates> => {
  const authority = await createAuthority();
  writeFileSync(`${directory}/ca.pem`, authority.root);
  for (const service of ['web', 'echo']) {
    const { certificate, key } = await authority.issue({ service });
    writeFileSync(`${directory}/${service}.pem`, certificate);
    writeFileSync(`${directory}/${service}.key`, key);
    // HAProxy reads both from one file.
    writeFileSync(`${directory}/${service}-both.pem`, certificate + key);
  }
  return { directory, spiffe: { web: authority.spiffe('web'), echo: authority.spiffe('echo') } };
};
