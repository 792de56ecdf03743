import type { Contract } from '../../core/contract.ts';

/** Contracts that are kept, and bytes of their documents: several hundred services, each with some versions. */
const mostContracts = 256;
const mostBytes = 16 * 1024 * 1024;

/** Kept are the contracts that were fetched. One that nobody has any more stays until its room is needed: it may come back. */
export class Kept {
  readonly #byHash: Map<string, Contract> = new Map();
  /** Those that were fetched and had no room. */
  readonly #crowded: Set<string> = new Set();
  #bytes = 0;

  get(hash: string): Contract | undefined {
    return this.#byHash.get(hash);
  }

  /** There was no room for it. */
  wasCrowdedOut(hash: string): boolean {
    return this.#crowded.has(hash);
  }

  /** Hears what is needed now: where some is not any more, those without room may try again. */
  heed(needed: ReadonlyMap<string, unknown>): void {
    for (const hash of this.#crowded) if (!needed.has(hash)) this.#crowded.delete(hash);
    for (const hash of this.#byHash.keys()) if (!needed.has(hash)) this.#crowded.clear();
  }

  /** Keeps one more; false when there is no room beside those that are `needed`. */
  add(contract: Contract, needed: ReadonlyMap<string, unknown>): boolean {
    const { hash, document } = contract;
    for (const [other, { document: text }] of this.#byHash) {
      if (this.#hasRoom(document.length)) break;
      if (needed.has(other)) continue;
      this.#byHash.delete(other);
      this.#bytes -= text.length;
    }
    if (!this.#hasRoom(document.length)) {
      this.#crowded.add(hash);
      return false;
    }
    this.#byHash.set(hash, contract);
    this.#bytes += document.length;
    return true;
  }

  #hasRoom(bytes: number): boolean {
    return this.#byHash.size < mostContracts && this.#bytes + bytes <= mostBytes;
  }
}
