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
    let old = await withOldCertificate(scene);
    while (old.length > 0 && wallMs() < at + mostMs) {
      await wait(100);
      old = await withOldCertificate(scene);
    }
    if (old.length === 0)
      tell(`every sidecar shows a certificate of the new root, ${Math.round(wallMs() - at)} ms later`);
    await wait(2500);
    return {
      at,
      found: old.map((name) => `${name} still shows a certificate of the old root after ${mostMs} ms`),
    };
  },
  judge: noneFailed,
};

/** Names of those whose peers port shows a certificate that the active root did not sign. */
const withOldCertificate = async ({ cast }: Scene): Promise<string[]> => {
  const root = await cast.agent.activeRoot();
  const names = await Promise.all(
    [...cast.members.values()]
      .filter(({ peers }) => peers !== '')
      .map(async ({ name, peers }) => {
        const leaf = new X509Certificate(await shownCertificate(peers));
        return leaf.verify(root.publicKey) ? [] : [name];
      }),
  );
  return names.flat();
};
