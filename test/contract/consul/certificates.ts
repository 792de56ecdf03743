import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { anotherAuthority } from '../../support/authority.ts';
import type { Api } from '../../support/consul-api.ts';
import type { Ground } from './ground.ts';

const certificates = (pem: string): X509Certificate[] =>
  pem.match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g)!.map((each) => new X509Certificate(each));

/** Roots and leaves of the Connect CA. */
export const certificatesStories = (api: Api, { ours }: Ground): void => {
  describe('Connect', () => {
    it.skipIf(!ours)('gives out roots, and a leaf that is signed by the active one', async () => {
      const roots = (await api.get('/v1/agent/connect/ca/roots')).json();
      expect((await api.get('/v1/connect/ca/roots')).json()).toEqual(roots);
      expect(roots.TrustDomain).toMatch(/^[0-9a-f-]{36}\.consul$/);
      const active = roots.Roots.find((root: { Active: boolean }) => root.Active);
      expect(active.ID).toBe(roots.ActiveRootID);
      const root = new X509Certificate(active.RootCert);
      expect([root.ca, root.subjectAltName]).toEqual([true, `URI:spiffe://${roots.TrustDomain}`]);
      expect(root.fingerprint.toLowerCase()).toBe(active.ID);

      const answer = await api.get('/v1/agent/connect/ca/leaf/web');
      expect(answer.index).toBeGreaterThan(0);
      const leaf = answer.json();
      const spiffe = `spiffe://${roots.TrustDomain}/ns/default/dc/dc1/svc/web`;
      expect([leaf.Service, leaf.ServiceURI]).toEqual(['web', spiffe]);
      const certificate = new X509Certificate(leaf.CertPEM);
      expect(certificate.subjectAltName).toBe(`URI:${spiffe}`);
      expect(certificate.subject).toMatch(/^CN=web\.svc\.default\.[0-9a-f]{8}\.consul$/);
      expect(certificate.ca).toBe(false);
      expect(certificate.keyUsage?.toSorted()).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
      expect(certificate.verify(root.publicKey)).toBe(true);
      expect(certificate.checkPrivateKey(createPrivateKey(leaf.PrivateKeyPEM))).toBe(true);
      expect(leaf.PrivateKeyPEM).toMatch(/^-----BEGIN EC PRIVATE KEY-----/);
      expect(Date.parse(certificate.validTo)).toBe(Date.parse(leaf.ValidBefore));
      expect(Date.parse(certificate.validFrom)).toBe(Date.parse(leaf.ValidAfter));
      expect(Date.parse(leaf.ValidBefore) - Date.now()).toBeGreaterThan(71 * 3600 * 1000);
      expect(Date.parse(leaf.ValidAfter)).toBeLessThan(Date.now());
    });

    it('holds a query for a leaf and for roots while they are good', async () => {
      const leaf = await api.get('/v1/agent/connect/ca/leaf/held');
      const roots = await api.get('/v1/agent/connect/ca/roots');
      const [again, same] = await Promise.all([
        api.get(`/v1/agent/connect/ca/leaf/held?index=${leaf.index}&wait=300ms`),
        api.get(`/v1/agent/connect/ca/roots?index=${roots.index}&wait=300ms`),
      ]);
      expect(again.took).toBeGreaterThan(290);
      expect(same.took).toBeGreaterThan(290);
      expect(again.json()).toEqual(leaf.json());
      expect(same.json()).toEqual(roots.json());
    });

    it.skipIf(!ours)(
      'keeps the old root listed when the root changes, and vouches for the new one',
      async () => {
        const before = await api.get('/v1/agent/connect/ca/roots');
        const old = new X509Certificate(before.json().Roots[0].RootCert);
        const held = api.get(`/v1/agent/connect/ca/roots?index=${before.index}&wait=10s`);
        const changed = await api.put('/v1/connect/ca/configuration', anotherAuthority());
        expect([changed.status, changed.text]).toEqual([200, '']);
        const after = (await held).json();
        expect(after.TrustDomain).toBe(before.json().TrustDomain);
        expect(after.Roots.map((root: { Active: boolean }) => root.Active).sort()).toEqual([false, true]);
        const active = after.Roots.find((root: { Active: boolean }) => root.Active);
        expect(active.ID).not.toBe(before.json().ActiveRootID);
        const leaf = (await api.get('/v1/agent/connect/ca/leaf/fresh')).json();
        const [own, voucher] = certificates(leaf.CertPEM);
        expect(own!.verify(new X509Certificate(active.RootCert).publicKey)).toBe(true);
        expect(own!.checkIssued(voucher!)).toBe(true);
        expect(voucher!.verify(old.publicKey)).toBe(true);
        const refused = await api.put('/v1/connect/ca/configuration', { Provider: 'foo', Config: {} });
        expect([refused.status, refused.text]).toEqual([
          500,
          'could not initialize provider: unknown CA provider "foo"',
        ]);
      },
    );
  });
};
