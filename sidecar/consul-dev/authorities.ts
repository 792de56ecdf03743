import { type Authority, createAuthority, fingerprint, type Leaf } from '../identity/development-ca.ts';
import type { Ledger } from './ledger.ts';
import { Refusal } from './refusal.ts';
import type { Time } from './time.ts';
import type { View } from './views.ts';

/** A root that the agent lists. */
interface Root {
  readonly authority: Authority;
  readonly id: string;
  readonly createIndex: number;
  modifyIndex: number;
}

/** A leaf that the agent keeps for a service, until its time or its root has gone. */
interface Kept {
  readonly leaf: Leaf;
  readonly service: string;
  readonly index: number;
  cancel(): void;
}

/** Roots listed at once; older ones go, so that chains of vouchers stay short through many rotations. */
const mostRoots = 4;
/** Services with a leaf; the oldest goes first. */
const mostLeaves = 5000;

/**
 * Authorities is the agent's certificate authority over time: the active root, older ones until dropped, and a leaf
 * for each service that asked. A leaf is made anew when the root changes and at 60 to 90 % of its life, as in Consul.
 */
export class Authorities {
  readonly #ledger: Ledger;
  readonly #time: Time;
  readonly #leaves: Map<string, Promise<Kept>> = new Map();
  #roots: Root[];
  /** Takes back that leaves are made anew later. */
  #unwait = (): void => {};
  leafTtlMs: number;

  constructor(first: Authority, ledger: Ledger, time: Time, leafTtlMs: number) {
    this.leafTtlMs = leafTtlMs;
    this.#ledger = ledger;
    this.#time = time;
    this.#roots = [this.#listed(first, ledger.write('roots'))];
  }

  /** The root that signs. */
  get active(): Authority {
    return this.#roots.at(-1)!.authority;
  }

  /** Whose names the active root vouches for. */
  get trustDomain(): string {
    return this.active.trustDomain;
  }

  /** Index of the list of roots. */
  get index(): number {
    return this.#ledger.last('roots');
  }

  /** Puts a new root in place, vouched for by the one before; every leaf is made anew. */
  async rotate(): Promise<void> {
    const before = this.#roots.at(-1)!;
    const next = await createAuthority({ trustDomain: this.trustDomain, wall: () => this.#time.wall() });
    await before.authority.vouchFor(next);
    const index = this.#ledger.write('roots');
    before.modifyIndex = index;
    this.#roots = [...this.#roots, this.#listed(next, index)].slice(-mostRoots);
    next.keepVouchers(this.#roots.length - 1);
    this.#stale();
  }

  /** Takes every root but the active one off the list; leaves of the active root no longer carry vouchers. */
  dropOld(): void {
    if (this.#roots.length === 1) return;
    this.#roots = this.#roots.slice(-1);
    this.active.keepVouchers(0);
    this.#roots[0]!.modifyIndex = this.#ledger.write('roots');
    this.#stale();
  }

  /**
   * Has a root of another trust domain in place of all that there were, as when Consul's servers lost their state. Leaves
   * are made anew after `leavesAfterMs`, as agents do it.
   */
  async lose(trustDomain: string, leavesAfterMs: number): Promise<void> {
    const next = await createAuthority({ trustDomain, wall: () => this.#time.wall() });
    this.#roots = [this.#listed(next, this.#ledger.write('roots'))];
    this.#unwait();
    this.#unwait = this.#time.after(leavesAfterMs, () => this.#stale());
  }

  /** The list of roots as Consul shows it. */
  view(): View {
    const active = this.#roots.at(-1)!;
    return {
      ActiveRootID: active.id,
      TrustDomain: this.trustDomain,
      Roots: this.#roots.map((root) => this.#rootView(root, root === active)),
    };
  }

  /** The present leaf of a service with its index; made when there is none. */
  async leaf(service: string): Promise<{ index: number; view: View }> {
    const known = this.#leaves.get(service);
    const making = known ?? this.#issue(service);
    if (known === undefined) this.#keep(service, making);
    const { leaf, index } = await making;
    const view = {
      SerialNumber: leaf.serial,
      CertPEM: leaf.certificate,
      PrivateKeyPEM: leaf.key,
      Service: service,
      ServiceURI: leaf.spiffe,
      ValidAfter: seconds(leaf.validFrom),
      ValidBefore: seconds(leaf.validTo),
      CreateIndex: index,
      ModifyIndex: index,
    };
    return { index, view };
  }

  /** Ends all timers. */
  close(): void {
    this.#unwait();
    for (const making of this.#leaves.values()) making.then((kept) => kept.cancel()).catch(() => {});
    this.#leaves.clear();
  }

  async #issue(service: string): Promise<Kept> {
    if (service === '')
      throw new Refusal(500, 'a leaf needs the name of a service: /v1/agent/connect/ca/leaf/NAME');
    const leaf = await this.active.issue({ service, ttlMs: this.leafTtlMs });
    const index = this.#ledger.write(`leaf:${service}`);
    this.#ledger.forget(`leaf:${service}`);
    const renewMs = this.leafTtlMs * (0.6 + 0.3 * this.#time.random());
    const cancel = this.#time.after(renewMs, () => {
      this.#leaves.delete(service);
      // No write yet: whoever waits makes the next leaf by reading, and that is the write.
      this.#ledger.nudge(`leaf:${service}`);
    });
    return { leaf, service, index, cancel };
  }

  #keep(service: string, making: Promise<Kept>): void {
    this.#leaves.set(service, making);
    making.catch(() => this.#leaves.delete(service));
    const oldest = this.#leaves.keys().next().value!;
    if (this.#leaves.size > mostLeaves) this.#discard(oldest);
  }

  #discard(service: string): void {
    this.#leaves
      .get(service)
      ?.then((kept) => kept.cancel())
      .catch(() => {});
    this.#leaves.delete(service);
  }

  #stale(): void {
    const services = [...this.#leaves.keys()];
    for (const service of services) this.#discard(service);
    for (const service of services) this.#ledger.nudge(`leaf:${service}`);
  }

  #listed(authority: Authority, index: number): Root {
    return { authority, id: fingerprint(authority.root), createIndex: index, modifyIndex: index };
  }

  #rootView({ authority, id, createIndex, modifyIndex }: Root, active: boolean): View {
    return {
      ID: id,
      Name: 'Consul CA Root Cert',
      SerialNumber: createIndex,
      SigningKeyID: authority.keyId.match(/../g)!.join(':'),
      ExternalTrustDomain: this.trustDomain.replace(/\.consul$/, ''),
      NotBefore: seconds(authority.validFrom),
      NotAfter: seconds(authority.validTo),
      RootCert: authority.root,
      IntermediateCerts: authority.intermediates.length === 0 ? null : authority.intermediates,
      Active: active,
      PrivateKeyType: 'ec',
      PrivateKeyBits: 256,
      CreateIndex: createIndex,
      ModifyIndex: modifyIndex,
    };
  }
}

/** A time as Go writes it, without fractions. */
const seconds = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z');
