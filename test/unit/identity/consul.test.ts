import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LeafAnswer, RootsAnswer } from '../../../sidecar/consul/answers.ts';
import type { Answer, ConsulDoor, Question } from '../../../sidecar/consul/door.ts';
import { ConsulError } from '../../../sidecar/consul/errors.ts';
import { Polls } from '../../../sidecar/consul/polls.ts';
import type { Identity } from '../../../sidecar/core/identity.ts';
import { consulIdentity } from '../../../sidecar/identity/consul.ts';
import { type Authority, createAuthority, type Leaf } from '../../../sidecar/identity/development-ca.ts';
import { lostForMs } from '../../../sidecar/identity/lost-roots.ts';
import { breathe, drive } from '../../support/drive.ts';
import { type StillKit, stillKit } from '../../support/kit.ts';

let old: Authority;
let next: Authority;
/** Of servers that began anew: another trust domain, too. */
let other: Authority;
let oldLeaf: Leaf;
let nextLeaf: Leaf;
let otherLeaf: Leaf;
beforeAll(async () => {
  old = await createAuthority({ trustDomain: 'td.consul' });
  next = await createAuthority({ trustDomain: 'td.consul' });
  other = await createAuthority({ trustDomain: 'other.consul' });
  oldLeaf = await old.issue({ service: 'orders' });
  nextLeaf = await next.issue({ service: 'orders' });
  otherLeaf = await other.issue({ service: 'orders' });
});

/** A thing in Consul whose questions hang until it changes. */
class Changing<T> {
  #answer: ((value: T) => void) | null = null;
  #refusal: ((why: Error) => void) | null = null;
  #index = 1n;

  ask = ({ signal }: Question): Promise<Answer<T>> =>
    new Promise((settle, reject) => {
      this.#refusal = reject;
      signal.addEventListener('abort', () => reject(new ConsulError('stopped', 'stopped')), { once: true });
      this.#answer = (value) => settle({ value, index: ++this.#index, lastContactMs: 0, knownLeader: true });
    });

  /** The next question is not answered. */
  async fail(kit: StillKit): Promise<void> {
    await drive(kit, 'a question', () => this.#refusal !== null);
    this.#refusal!(new ConsulError('refused', 'nobody listens there'));
    this.#refusal = null;
    this.#answer = null;
    await breathe();
  }

  async become(value: T, kit: StillKit): Promise<void> {
    await drive(kit, 'a question', () => this.#answer !== null);
    this.#answer!(value);
    this.#answer = null;
    await breathe();
  }
}

const identityOf = ({ root }: Authority, leaf: Leaf): Identity => ({ ...leaf, roots: [root] });

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

const start = (kept: Identity | null = null) => {
  const kit = stillKit();
  const roots = new Changing<RootsAnswer>();
  const leaf = new Changing<LeafAnswer>();
  const door = {
    url: 'http://consul',
    polls: new Polls(() => 0.5),
    roots: roots.ask,
    leaf: (_: string, how: Question) => leaf.ask(how),
  };
  const stop = new AbortController();
  stops.push(stop);
  const source = consulIdentity({
    door: door as unknown as ConsulDoor,
    service: 'orders',
    kit,
    signal: stop.signal,
    kept,
  });
  const heard: (Identity | null)[] = [];
  source.identity.listen((identity) => heard.push(identity));
  const trust = (...authorities: Authority[]): Promise<void> =>
    roots.become(
      {
        TrustDomain: authorities[0]!.trustDomain,
        Roots: authorities.map(({ root }, place) => ({
          ID: root,
          RootCert: root,
          Active: place === 0,
        })),
      },
      kit,
    );
  const prove = ({ certificate, key }: Leaf): Promise<void> =>
    leaf.become({ CertPEM: certificate, PrivateKeyPEM: key }, kit);
  return { kit, source, heard, trust, prove, stop, fail: () => leaf.fail(kit) };
};

describe('identity from Consul', () => {
  it('is there once roots and leaf are', async () => {
    const { source, heard, trust, prove } = start();
    await prove(oldLeaf);
    expect(source.identity.value).toBeNull();
    await trust(old);
    expect(heard.length).toBe(1);
    expect(source.identity.value).toMatchObject({
      spiffe: 'spiffe://td.consul/ns/default/dc/dc1/svc/orders',
      key: oldLeaf.key,
      validTo: oldLeaf.validTo,
    });
  });

  it('trusts both roots while the CA changes, then proves itself by the new one', async () => {
    const { source, heard, trust, prove } = start();
    await trust(old);
    await prove(oldLeaf);
    await trust(next, old);
    await prove(nextLeaf);
    await trust(next);
    expect(heard.map((identity) => [identity!.key === nextLeaf.key, identity!.roots.length])).toEqual([
      [false, 1],
      [false, 2],
      [true, 2],
      [true, 1],
    ]);
    // The root before was changed on purpose: it goes at once.
    expect(source.identity.value!.roots).toEqual([next.root.trim()]);
  });

  it('lets a leaf wait for its root, and never shows a pair that does not fit together', async () => {
    const { source, heard, trust, prove } = start();
    await trust(old);
    await prove(oldLeaf);
    await prove(nextLeaf);
    expect(heard.length).toBe(1);
    expect(source.trouble()).toBe('the new certificate is not signed by any known root yet');
    await trust(next, old);
    expect(heard.length).toBe(2);
    expect(source.identity.value!.key).toBe(nextLeaf.key);
    expect(source.trouble()).toBeNull();
  });

  it('keeps the pair when a leaf comes with another’s key', async () => {
    const { kit, source, heard, trust, prove } = start();
    await trust(old);
    await prove(oldLeaf);
    await prove({ ...nextLeaf, key: oldLeaf.key });
    expect(heard.length).toBe(1);
    expect(source.trouble()).toContain('is not the key of the certificate from Consul at http://consul');
    expect(kit.meter.count('outrigger_identities_refused_total', 'consul').value).toBe(1);
  });

  it('has what was kept stand in when Consul says nothing for a second, and no sooner', async () => {
    const { kit, source } = start(identityOf(old, oldLeaf));
    kit.pass(900);
    expect(source.identity.value).toBeNull();
    kit.pass(200);
    expect(source.identity.value).toMatchObject({
      key: oldLeaf.key,
      roots: [expect.stringContaining('BEGIN')],
    });
    expect(kit.meter.count('outrigger_state_in_use', 'identity').value).toBe(1);
  });

  it('has it stand in at once when Consul fails, and gives it up for what Consul says then', async () => {
    const { kit, source, heard, fail, trust, prove } = start(identityOf(old, oldLeaf));
    await fail();
    expect(source.identity.value?.key).toBe(oldLeaf.key);
    await trust(next, old);
    expect(source.identity.value).toMatchObject({ key: oldLeaf.key, roots: { length: 2 } });
    await prove(nextLeaf);
    expect(source.identity.value!.key).toBe(nextLeaf.key);
    expect(kit.meter.count('outrigger_state_in_use', 'identity').value).toBe(0);
    expect(heard.length).toBe(3);
  });

  it('is not touched by what was kept where Consul answers', async () => {
    const { kit, source, heard, trust, prove } = start(identityOf(old, oldLeaf));
    await trust(next);
    await prove(nextLeaf);
    kit.pass(5000);
    expect(heard.length).toBe(1);
    expect(source.identity.value!.key).toBe(nextLeaf.key);
  });

  it('control: without anything kept there is nobody to be', async () => {
    const { kit, source, fail } = start();
    await fail();
    kit.pass(5000);
    expect(source.identity.value).toBeNull();
  });

  it('goes on believing an active root that Consul lost, until leaves of it are replaced', async () => {
    const { kit, source, heard, trust, prove } = start();
    await trust(old);
    await prove(oldLeaf);
    await trust(other);
    expect(source.identity.value).toMatchObject({
      key: oldLeaf.key,
      roots: [other.root.trim(), old.root.trim()],
      alsoDomains: ['other.consul', 'td.consul'],
    });
    expect(kit.meter.count('outrigger_roots_lost').value).toBe(1);
    kit.pass(2 * lostForMs);
    expect(source.identity.value!.roots.length, 'our own leaf has nothing else to hang on').toBe(2);
    await prove(otherLeaf);
    kit.pass(lostForMs - 1000);
    expect(source.identity.value).toMatchObject({ key: otherLeaf.key, roots: { length: 2 } });
    kit.pass(2000);
    expect(source.identity.value).toMatchObject({ roots: [other.root.trim()], alsoDomains: [] });
    expect(kit.meter.count('outrigger_roots_lost').value).toBe(0);
    expect(heard.length).toBe(4);
  });

  it('believes a lost root as any other once Consul lists it again', async () => {
    const { kit, source, trust, prove } = start();
    await trust(old);
    await prove(oldLeaf);
    await trust(other);
    await trust(old);
    expect(source.identity.value!.roots).toEqual([old.root.trim(), other.root.trim()]);
    kit.pass(lostForMs + 1000);
    expect(source.identity.value!.roots).toEqual([old.root.trim()]);
  });

  it('believes eight lost roots at most', async () => {
    const { source, trust, prove } = start();
    await trust(old);
    await prove(oldLeaf);
    for (let turn = 0; turn < 10; turn++) await trust(await createAuthority({ trustDomain: 'td.consul' }));
    expect(source.identity.value!.roots.length).toBe(9);
  });

  it('stops at once and leaves nothing behind', async () => {
    const { kit, trust, prove, stop } = start();
    await trust(old);
    await prove(oldLeaf);
    stop.abort();
    await breathe();
    expect(kit.wheel.size).toBe(0);
  });
});
