import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { startAgent } from '../../../sidecar/consul-dev/index.ts';
import { createAuthority } from '../../../sidecar/identity/development-ca.ts';
import { developmentAgents, queriesWait } from '../../support/development-agent.ts';
import { type StillTime, stillTime } from './still-time.ts';

const start = developmentAgents();

const certificates = (pem: string) =>
  pem.match(/-----BEGIN[\s\S]*?-----END CERTIFICATE-----/g)!.map((each) => new X509Certificate(each));

/** Whether a chain that a peer presents leads to the root, link by link. */
const leadsTo = (pem: string, root: string): boolean => {
  const trusted = new X509Certificate(root);
  const [leaf, ...between] = certificates(pem);
  let here = leaf!;
  for (;;) {
    if (here.verify(trusted.publicKey)) return true;
    const next = between.shift();
    if (next === undefined || !here.verify(next.publicKey)) return false;
    here = next;
  }
};

describe('the development agent’s certificates', () => {
  it('change at once with the root, and are believed by who knows either root until the old one is dropped', async () => {
    const { agent, api } = await start();
    const first = (await api.get('/v1/connect/ca/roots')).json();
    const leaf = await api.get('/v1/agent/connect/ca/leaf/web');
    const held = api.get(`/v1/agent/connect/ca/leaf/web?index=${leaf.index}&wait=10m`);
    const heldRoots = api.get('/v1/agent/connect/ca/roots?index=1000&wait=10m').catch(() => null);
    await queriesWait(agent, 2);
    await agent.rotateRoot();
    const next = await held;
    expect(next.index).toBeGreaterThan(leaf.index);
    const roots = (await api.get('/v1/connect/ca/roots')).json();
    expect(roots.Roots).toHaveLength(2);
    expect(roots.Roots.map((root: { Active: boolean }) => root.Active)).toEqual([false, true]);
    const [old, active] = roots.Roots.map((root: { RootCert: string }) => root.RootCert);
    expect(old).toBe(first.Roots[0].RootCert);
    const pem = next.json().CertPEM;
    expect([leadsTo(pem, old), leadsTo(pem, active)]).toEqual([true, true]);
    expect([leadsTo(leaf.json().CertPEM, old), leadsTo(leaf.json().CertPEM, active)]).toEqual([true, false]);
    agent.dropOldRoots();
    expect((await api.get('/v1/connect/ca/roots')).json().Roots).toHaveLength(1);
    const last = (await api.get('/v1/agent/connect/ca/leaf/web')).json().CertPEM;
    expect([leadsTo(last, old), leadsTo(last, active)]).toEqual([false, true]);
    await agent.close();
    await heldRoots;
  });

  it('stay bounded through many changes of the root, each believed by who knows any listed root', async () => {
    const { agent, api } = await start();
    for (let change = 0; change < 10; change++) await agent.rotateRoot();
    const roots = (await api.get('/v1/connect/ca/roots')).json().Roots;
    expect(roots).toHaveLength(4);
    const pem = (await api.get('/v1/agent/connect/ca/leaf/web')).json().CertPEM;
    expect(roots.map((root: { RootCert: string }) => leadsTo(pem, root.RootCert))).toEqual([
      true,
      true,
      true,
      true,
    ]);
    expect(certificates(pem)).toHaveLength(4);
  });

  it('are made anew at three quarters of their life, when chance is in the middle', async () => {
    const time: StillTime = stillTime();
    const { agent, api } = await start({ time, leafTtlMs: 100_000 });
    const leaf = await api.get('/v1/agent/connect/ca/leaf/web');
    const held = api.get(`/v1/agent/connect/ca/leaf/web?index=${leaf.index}&wait=10m`);
    await queriesWait(agent);
    time.pass(74_999);
    expect(agent.waiting).toBe(1);
    time.pass(1);
    const next = (await held).json();
    expect(next.SerialNumber).not.toBe(leaf.json().SerialNumber);
    expect(Date.parse(next.ValidBefore) - Date.parse(leaf.json().ValidBefore)).toBe(75_000);
  });

  it('are the same for all who ask at once', async () => {
    const { api } = await start();
    const all = await Promise.all(Array.from({ length: 5 }, () => api.get('/v1/agent/connect/ca/leaf/web')));
    expect(new Set(all.map((answer) => answer.json().CertPEM)).size).toBe(1);
  });

  it('refuse a life that certificates cannot count', async () => {
    await expect(startAgent({ leafTtlMs: 500 })).rejects.toThrow('leafTtlMs 500 is below 1000');
  });

  it('come from the authority of an agent before, when it is handed over', async () => {
    const authority = await createAuthority({ trustDomain: 'kept.consul' });
    const { agent, api } = await start({ authority });
    expect(agent.trustDomain).toBe('kept.consul');
    expect((await api.get('/v1/connect/ca/roots')).json().Roots[0].RootCert).toBe(authority.root);
  });
});
