import type { RootsAnswer } from '../consul/answers.ts';
import type { Kit } from '../core/kit.ts';
import { timer } from '../core/wheel.ts';

type Root = RootsAnswer['Roots'][number];

/**
 * How long a lost root is believed for once our own leaf hangs on another, milliseconds. The slowest peer: its agent's
 * question for roots may hang for ten minutes, and its leaf is then made anew within thirty seconds.
 */
export const lostForMs = 900_000;
/** Lost roots that are believed at once; the one that was lost first goes for another. */
const mostLost = 8;

/**
 * LostRoots goes on believing roots that Consul lost. A root that is changed on purpose stays on Consul's list, no
 * longer active, until no leaf of it is left; one that vanishes while it is active went with the servers' state. Leaves
 * of it are all that the mesh has to prove itself with until agents have made others, each at its own time: whoever
 * dropped it at once would end every connection and have nobody to talk to.
 */
export class LostRoots {
  readonly #kit: Kit;
  readonly #isNeeded: () => boolean;
  readonly #tell: () => void;
  readonly #end = timer(() => this.#release());
  #listed: RootsAnswer | null = null;
  #lost = new Map<string, { readonly root: Root; readonly trustDomain: string }>();

  /** `isNeeded`: whether our own leaf has nothing else to hang on. `tell` is called when lost roots are let go. */
  constructor(kit: Kit, isNeeded: () => boolean, tell: () => void) {
    this.#kit = kit;
    this.#isNeeded = isNeeded;
    this.#tell = tell;
  }

  /** PEM of every root that is believed though Consul does not list it. */
  get roots(): string[] {
    return [...this.#lost.values()].map(({ root }) => root.RootCert);
  }

  /** The trust domains of those roots, and Consul's own of now; empty while nothing is lost. */
  get trustDomains(): string[] {
    if (this.#lost.size === 0 || this.#listed === null) return [];
    const lost = [...this.#lost.values()].map(({ trustDomain }) => trustDomain);
    return [...new Set([this.#listed.TrustDomain, ...lost])];
  }

  /** Hears what Consul lists now. */
  hear(next: RootsAnswer): void {
    const { Roots: roots, TrustDomain: trustDomain } = this.#listed ?? { Roots: [], TrustDomain: '' };
    this.#listed = next;
    for (const { ID } of next.Roots) this.#lost.delete(ID);
    const gone = roots.filter((root) => root.Active && next.Roots.every(({ ID }) => ID !== root.ID));
    for (const root of gone) this.#lost.set(root.ID, { root, trustDomain });
    for (const id of [...this.#lost.keys()].slice(0, -mostLost)) this.#lost.delete(id);
    this.#count();
    if (gone.length === 0) return;
    this.#kit.wheel.arm(this.#end, lostForMs);
    this.#kit.log.warn(
      { lost: gone.map(({ ID }) => ID), forMs: lostForMs },
      'Consul no longer lists the active root, as when its servers lost their state; it is believed until leaves of it are replaced',
    );
  }

  close(): void {
    this.#kit.wheel.disarm(this.#end);
  }

  #release(): void {
    if (this.#isNeeded()) return this.#kit.wheel.arm(this.#end, lostForMs);
    this.#lost.clear();
    this.#count();
    this.#tell();
  }

  #count(): void {
    this.#kit.meter.count('outrigger_roots_lost').value = this.#lost.size;
  }
}
