import { pause } from './consul/pause.ts';
import { Cell } from './core/cell.ts';
import { type Contract, readContract } from './core/contract.ts';
import type { Kit } from './core/kit.ts';
import type { Link } from './core/link.ts';
import { timer } from './core/wheel.ts';
import type { Endpoint } from './endpoints/endpoint.ts';
import { asker } from './endpoints/question.ts';
import { reflect } from './endpoints/reflection.ts';
import type { Settings } from './settings/settings.ts';

/** What is known of our app's methods. */
export interface OwnContract {
  /** Null while nothing is, and where nothing ever will be. */
  readonly contract: Cell<Contract | null>;
  /** Begins to ask the app. */
  begin(): void;
  /** Resolves when the app was asked, at once where nobody asks it, or when that takes too long. */
  asked(): Promise<void>;
}

/** What the app is asked through. */
export interface OwnContractOptions {
  readonly settings: Settings;
  readonly kit: Kit;
  readonly signal: AbortSignal;
  readonly endpoint: Endpoint;
  /** Whether the app takes connections. */
  readonly answers: () => Promise<boolean>;
}

/** How often it is looked whether the app is there, milliseconds; and, once it has answered, whether it is another. */
const comingMs = 200;
const changingMs = 1000;
/** Wait after an app failed to answer, milliseconds; doubled each time, up to the longest. */
const firstPauseMs = 400;
const longestPauseMs = 30_000;
/** How long a registration waits for the contract, milliseconds: with it, it need not be made twice. */
const patienceMs = 300;

/**
 * The contract of our app: that of the settings, or what its reflection says. The app is asked once it takes connections,
 * and again whenever our connection to it is another one: it may be a newer app.
 */
export const ownContract = (options: OwnContractOptions): OwnContract => {
  const { service, discovery } = options.settings;
  const said = service?.contract ?? 'auto';
  const fixed = (contract: Contract | null): OwnContract => ({
    contract: new Cell(contract),
    begin: () => {},
    asked: async () => {},
  });
  if (typeof said === 'object') return fixed(readContract(said.document, said.hash));
  // Without Consul nobody would learn of it: callers have it in their own settings.
  if (said === 'none' || (said === 'auto' && discovery.from !== 'consul')) return fixed(null);
  return new Reflecting(options, said === 'reflection');
};

class Reflecting implements OwnContract {
  readonly contract: Cell<Contract | null> = new Cell<Contract | null>(null);
  readonly #options: OwnContractOptions;
  /** Whoever set it wants to know when it fails. */
  readonly #isWanted: boolean;
  #links: readonly Link[] = [];
  #hasAnswer = false;
  #failures = 0;
  #told = '';
  #waiting: (() => void)[] = [];

  constructor(options: OwnContractOptions, isWanted: boolean) {
    this.#options = options;
    this.#isWanted = isWanted;
  }

  begin(): void {
    void this.#run();
  }

  asked(): Promise<void> {
    if (this.#hasAnswer || this.#failures > 0 || this.#options.signal.aborted) return Promise.resolve();
    const { wheel } = this.#options.kit;
    return new Promise((resolve) => {
      const over = (): void => {
        wheel.disarm(limit);
        resolve();
      };
      const limit = timer(over);
      wheel.arm(limit, patienceMs);
      this.#waiting.push(over);
    });
  }

  async #run(): Promise<void> {
    const { kit, signal } = this.#options;
    while (!signal.aborted) {
      if (this.#isDue() && (await this.#options.answers())) await this.#ask();
      await pause(kit, this.#restMs(), signal);
    }
    this.#release();
  }

  #restMs(): number {
    if (this.#failures > 0) return Math.min(firstPauseMs * 2 ** (this.#failures - 1), longestPauseMs);
    return this.#hasAnswer ? changingMs : comingMs;
  }

  /** Nobody was asked yet, or it was over connections of which none is left. */
  #isDue(): boolean {
    const { links } = this.#options.endpoint;
    return !this.#hasAnswer || (links.length > 0 && !links.some((link) => this.#links.includes(link)));
  }

  async #ask(): Promise<void> {
    const { kit, endpoint, signal } = this.#options;
    const found = await reflect(asker(kit), endpoint);
    if (signal.aborted) return;
    if (typeof found === 'object' && 'why' in found) {
      this.#failures++;
      this.#release();
      return this.#tell(`the app does not say what its methods are, and is asked again: ${found.why}`);
    }
    this.#failures = 0;
    this.#hasAnswer = true;
    this.#links = endpoint.links;
    this.#release();
    if (found === 'none') {
      this.#tell(
        'the app has no server reflection: callers learn nothing of its methods; add it, or a descriptor set',
      );
      if (this.contract.value !== null) this.contract.set(null);
    } else if (found.hash !== this.contract.value?.hash) {
      kit.log.info(
        { contract: found.hash, methods: found.methods.size },
        'the app has said what its methods are',
      );
      this.contract.set(found);
    }
  }

  #tell(what: string): void {
    if (what === this.#told) return;
    this.#told = what;
    const { log } = this.#options.kit;
    if (this.#isWanted) log.warn({ setting: 'service.contract' }, what);
    else log.debug({}, what);
  }

  #release(): void {
    for (const over of this.#waiting.splice(0)) over();
  }
}
