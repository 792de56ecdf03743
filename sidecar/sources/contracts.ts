import { pause } from '../consul/pause.ts';
import { Cell } from '../core/cell.ts';
import { type Contract, ContractRefused, readContract } from '../core/contract.ts';
import { originOf } from '../core/contract-rules.ts';
import type { Address } from '../core/endpoint.ts';
import type { Kit } from '../core/kit.ts';
import type { PolicyFault } from '../core/policy.ts';
import type { Slice, Snapshot } from '../core/snapshot.ts';
import { messageOf } from '../core/thrown.ts';
import { Announced, type Need } from './contracts/announced.ts';
import { Kept } from './contracts/kept.ts';
import { Rules } from './contracts/rules.ts';
import type { Source } from './source.ts';

/** Asks the sidecar at an address for its contract: answers the document, or rejects with why there is none. */
export type FetchContract = (address: Address) => Promise<string>;

/** A source that learns from the snapshots what there is to fetch. */
export interface ContractsSource extends Source {
  /** To be called once, by whoever can reach peers. */
  begin(snapshots: Cell<Snapshot>, fetch: FetchContract): void;
}

/** Contracts that are fetched at one time; others wait for their turn. */
const mostAtOnce = 8;
/** Wait after all instances of a contract were asked in vain, milliseconds; doubled each time, up to the longest. */
const firstPauseMs = 1000;
const longestPauseMs = 60_000;

/**
 * What the services that are called say of their methods: fetched from their sidecars, each contract once, however many
 * instances have it.
 *
 * Which contract an instance has stands in its registration, and what is fetched must have that hash. What does not, or
 * cannot be read, is counted, told, and not used; another instance is asked, and the same again later.
 */
export const contractsSource = (options: {
  readonly kit: Kit;
  readonly signal: AbortSignal;
}): ContractsSource => new Contracts(options.kit, options.signal);

class Contracts implements ContractsSource {
  readonly slice: Cell<Slice> = new Cell<Slice>({ origin: 'contracts' });
  readonly #kit: Kit;
  readonly #signal: AbortSignal;
  readonly #close = (): void => this.close();
  readonly #stop: AbortController = new AbortController();
  readonly #announced: Announced = new Announced();
  readonly #kept: Kept = new Kept();
  readonly #rules: Rules = new Rules();
  /** Those that are being fetched, by hash; aborted when nobody has them any more. */
  readonly #pursued: Map<string, AbortController> = new Map();
  /** Why one is not known, by hash. */
  readonly #faults: Map<string, string> = new Map();
  #needs: ReadonlyMap<string, Need> = new Map();
  #fetch: FetchContract | null = null;
  #deaf = (): void => {};

  constructor(kit: Kit, signal: AbortSignal) {
    this.#kit = kit;
    this.#signal = signal;
    signal.addEventListener('abort', this.#close, { once: true });
  }

  begin(snapshots: Cell<Snapshot>, fetch: FetchContract): void {
    this.#fetch = fetch;
    this.#deaf = snapshots.listen((snapshot) => this.#look(snapshot));
    this.#look(snapshots.value);
  }

  /** What is called is seen in the snapshots. */
  want(): void {}

  describe(): string {
    return '';
  }

  /** Without contracts calls are treated with more care, and nothing is broken. */
  trouble(): null {
    return null;
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#close);
    this.#deaf();
    this.#stop.abort();
    for (const pursuit of this.#pursued.values()) pursuit.abort();
  }

  #look(snapshot: Snapshot): void {
    if (this.#stop.signal.aborted || !this.#announced.look(snapshot)) return;
    this.#needs = this.#announced.needs();
    for (const [hash, pursuit] of this.#pursued) if (!this.#needs.has(hash)) pursuit.abort();
    for (const hash of this.#faults.keys()) if (!this.#needs.has(hash)) this.#faults.delete(hash);
    this.#kept.heed(this.#needs);
    this.#begin();
    this.#publish();
  }

  /** Fetches what is not known, as many at a time as may be. */
  #begin(): void {
    for (const hash of this.#needs.keys()) {
      if (this.#pursued.size >= mostAtOnce) return;
      if (this.#pursued.has(hash) || this.#kept.get(hash) !== undefined || this.#kept.wasCrowdedOut(hash))
        continue;
      const pursuit = new AbortController();
      this.#pursued.set(hash, pursuit);
      void this.#pursue(hash, pursuit.signal).then(() => {
        this.#pursued.delete(hash);
        if (!this.#stop.signal.aborted) this.#begin();
      });
    }
  }

  async #pursue(hash: string, signal: AbortSignal): Promise<void> {
    for (let round = 0; !signal.aborted; round++) {
      // In an order of chance, so that a new contract does not bring all callers to one instance.
      const holders = shuffled(this.#needs.get(hash)?.holders ?? [], this.#kit.random);
      for (const address of holders) {
        const contract = await this.#ask(hash, address);
        if (signal.aborted) return;
        if (contract === null) continue;
        this.#keep(contract);
        return;
      }
      this.#publish();
      const waitMs = Math.min(firstPauseMs * 2 ** round, longestPauseMs);
      await pause(this.#kit, waitMs * (0.5 + this.#kit.random()), signal);
    }
  }

  async #ask(hash: string, address: Address): Promise<Contract | null> {
    const { meter, log } = this.#kit;
    const count = (outcome: string): void =>
      void meter.count('outrigger_contracts_total', address.service, outcome).value++;
    try {
      const contract = readContract(await this.#fetch!(address), hash);
      count('fetched');
      log.info(
        { service: address.service, contract: hash, methods: contract.methods.size },
        'a contract holds',
      );
      return contract;
    } catch (thrown) {
      const isBad = thrown instanceof ContractRefused;
      count(isBad ? thrown.reason : 'unreachable');
      const problem = `${address.id}: ${messageOf(thrown)}`;
      if (this.#needs.has(hash) && this.#faults.get(hash) !== problem) {
        const fields = { service: address.service, contract: hash, cause: problem };
        if (isBad) log.warn(fields, 'a contract is not used');
        else log.debug(fields, 'a contract could not be fetched');
        this.#faults.set(hash, problem);
      }
      return null;
    }
  }

  #keep(contract: Contract): void {
    this.#faults.delete(contract.hash);
    if (!this.#kept.add(contract, this.#needs))
      this.#faults.set(contract.hash, 'is not kept: there are too many or too large ones beside it');
    this.#publish();
  }

  #publish(): void {
    if (this.#stop.signal.aborted) return;
    const policies = this.#rules.of(this.#announced.byName(), (hash) => this.#kept.get(hash));
    const faults: PolicyFault[] = [...this.#rules.faults];
    for (const [hash, problem] of this.#faults) {
      const { holders } = this.#needs.get(hash)!;
      faults.push({ origin: originOf(holders[0]!.service, [{ hash }]), problem });
    }
    const before = this.slice.value;
    if (policies === before.policies && isSame(before.policyFaults ?? [], faults)) return;
    this.slice.set({ origin: 'contracts', policies, policyFaults: faults });
  }
}

const isSame = (one: readonly PolicyFault[], other: readonly PolicyFault[]): boolean =>
  one.length === other.length &&
  one.every(({ origin, problem }, at) => origin === other[at]!.origin && problem === other[at]!.problem);

const shuffled = <T>(list: readonly T[], random: () => number): T[] => {
  const all = [...list];
  for (let at = all.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1));
    [all[at], all[other]] = [all[other]!, all[at]!];
  }
  return all;
};
