import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { type AgentOptions, type DevelopmentAgent, startAgent } from '../../../sidecar/consul-dev/index.ts';
import type { Identity } from '../../../sidecar/core/identity.ts';
import { consulIdentity } from '../../../sidecar/identity/consul.ts';
import { makeKit, until } from './live.ts';

const running: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of running.splice(0).reverse()) await stop();
});

const start = async (options: AgentOptions = {}) => {
  const agent: DevelopmentAgent = await startAgent(options);
  const kit = makeKit();
  const door = openConsul({ url: agent.url }, kit);
  const source = consulIdentity({ door, service: 'orders', kit, signal: new AbortController().signal });
  running.push(
    () => agent.close(),
    () => door.close(),
    () => source.close(),
  );
  const seen: Identity[] = [];
  source.identity.listen((identity) => seen.push(identity!));
  await until(source.identity, 'an identity', (identity) => identity !== null);
  return { agent, source, seen };
};

/** Every identity that was ever shown must work by itself: key and certificate together, under its own roots. */
const works = ({ certificate, key, roots }: Identity): boolean => {
  createSecureContext({ cert: certificate, key, ca: [...roots] });
  const leaf = new X509Certificate(certificate);
  return roots.some((root) => leaf.verify(new X509Certificate(root).publicKey));
};

describe('rotation by the development agent', () => {
  it('renews a leaf again and again, whole each time', async () => {
    const { source, seen } = await start({ leafTtlMs: 2000 });
    await until(source.identity, 'four leaves', () => new Set(seen.map(({ key }) => key)).size >= 4, 15_000);
    expect(seen.every(works)).toBe(true);
    expect(seen.every(({ validTo }, place) => place === 0 || validTo >= seen[place - 1]!.validTo)).toBe(true);
  });

  it('trusts both roots while the CA changes, and drops the old one after', async () => {
    const { agent, source, seen } = await start();
    const { key } = source.identity.value!;
    await agent.rotateRoot();
    await until(source.identity, 'the new leaf', (now) => now!.key !== key);
    expect(source.identity.value!.roots.length).toBe(2);
    agent.dropOldRoots();
    await until(source.identity, 'one root', (now) => now!.roots.length === 1);
    expect(seen.every(works)).toBe(true);
  });
});
