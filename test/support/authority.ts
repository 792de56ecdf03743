import { generateKeyPairSync } from 'node:crypto';

/** What, put to `/v1/connect/ca/configuration`, has Consul make another root, and vouch for it by the one before. */
export const anotherAuthority = (): object => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const key = privateKey.export({ type: 'sec1', format: 'pem' }).toString();
  return { Provider: 'consul', Config: { LeafCertTTL: '72h', PrivateKey: key, RootCert: '' } };
};
