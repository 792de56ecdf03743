import { X509Certificate } from 'node:crypto';
import { type Act, noneFailed, type Scene } from '../act.ts';
import { wallMs } from '../diary.ts';
import { shownCertificate } from '../member.ts';

/** By then every sidecar must show a certificate of the new root, in milliseconds. */
const mostMs = 3000;

/** The certificate authority gets a new root, so that every certificate is made anew. */
export const rotated: Act = {
  name: 'rotated',
  title: 'All certificates are replaced under load',
  promise: 'no call fails, and within 3 s every sidecar shows a certificate of the new root',
  play: async (scene) => {
    const { cast, wait, tell } = scene;
    await wait(1000);
    const at = wallMs();
    await cast.agent.rotateRoot();
    tell('the certificate authority has a new root');
    let old = await withoutNewCertificate(scene);
    while (old.length > 0 && wallMs() < at + mostMs) {
      await wait(100);
      old = await withoutNewCertificate(scene);
    }
    if (old.length === 0)
      tell(`every sidecar shows a certificate of the new root, ${Math.round(wallMs() - at)} ms later`);
    await wait(2500);
    return {
      at,
      found: old.map((name) => `${name} shows no certificate of the new root after ${mostMs} ms`),
    };
  },
  judge: noneFailed,
};

/** Names of those whose peers port does not show a certificate that the active root signed. */
const withoutNewCertificate = async ({ cast }: Scene): Promise<string[]> => {
  const root = await cast.agent.activeRoot();
  const names = await Promise.all(
    [...cast.members.values()]
      .filter(({ peers }) => peers !== '')
      .map(async ({ name, peers }) => {
        // Who is too busy to show one is asked again; when there is no time left, it has not kept the promise.
        const shown = await shownCertificate(peers).catch(() => null);
        return shown !== null && new X509Certificate(shown).verify(root.publicKey) ? [] : [name];
      }),
  );
  return names.flat();
};
