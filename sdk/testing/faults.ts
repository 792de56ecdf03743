import { Code } from '../../sidecar/core/status.ts';
import { type Duration, millisecondsOf } from '../duration.ts';
import { MeshError } from '../mesh-error.ts';
import type { InboundCall } from '../visit.ts';
import type { TestClock } from './clock.ts';

/**
 * What is wrong with a service: it answers UNAVAILABLE, late, never, or breaks each stream off after its first message.
 *
 * @example
 * const late: Fault = 'slow';
 * const testing = await testMesh();
 * testing.faults.set('inventory', late, '2s');
 * await testing.close();
 */
export type Fault = 'unavailable' | 'slow' | 'hangs' | 'breaks';

/** How late a slow service answers where nobody says, milliseconds. */
const slowMs = 1000;

type Answer = (input: unknown, call: InboundCall) => unknown;

/**
 * Faults by name, of each service that a test mesh hosts. They happen where the service is: what its callers see, the
 * stacks between have made of it.
 *
 * @example
 * const testing = await testMesh();
 * await testing.host(Inventory, 'inventory', stock);
 * const faults: Faults = testing.faults;
 * faults.set('inventory', 'unavailable');
 * const failed = await testing.client(Inventory, 'inventory').reserve({ sku: 'oar' }).catch((error: MeshError) => error.codeName);
 * console.log(failed); // UNAVAILABLE
 * faults.clear();
 * await testing.close();
 */
export class Faults {
  readonly #clock: TestClock;
  readonly #faults: Map<string, { readonly fault: Fault; readonly ms: number }> = new Map();

  constructor(clock: TestClock) {
    this.#clock = clock;
  }

  /** From now on; `late`: how late a slow service is, by the mesh's clock (default a second). */
  set(service: string, fault: Fault, late: Duration = slowMs): void {
    this.#faults.set(service, { fault, ms: millisecondsOf(late, 'late') });
  }

  /** The service is well again; all are when none is named. */
  clear(service?: string): void {
    if (service === undefined) this.#faults.clear();
    else this.#faults.delete(service);
  }

  /** The same methods, as they are with what is wrong. */
  around(service: string, methods: object): object {
    return new Proxy(methods, {
      get: (of, name) => {
        const answer: unknown = Reflect.get(of, name);
        if (typeof answer !== 'function') return answer;
        return (input: unknown, call: InboundCall) =>
          this.#answer(service, input, call, answer.bind(of) as Answer);
      },
    });
  }

  async #answer(service: string, input: unknown, call: InboundCall, answer: Answer): Promise<unknown> {
    const found = this.#faults.get(service);
    if (found === undefined) return answer(input, call);
    const { fault, ms } = found;
    if (fault === 'unavailable')
      throw new MeshError(Code.UNAVAILABLE, `'${service}' is unavailable, as the test says`);
    if (fault === 'hangs') return new Promise(() => {});
    if (fault === 'slow') await this.#clock.sleep(ms);
    const said = await answer(input, call);
    return fault === 'breaks' ? broken(service, said) : said;
  }
}

/** A stream that breaks off after its first message; what is no stream breaks off at once. */
const broken = (service: string, answer: unknown): unknown => {
  const error = new MeshError(Code.INTERNAL, `'${service}' breaks off, as the test says`);
  if (typeof answer !== 'object' || answer === null || !(Symbol.asyncIterator in answer)) throw error;
  return (async function* () {
    for await (const message of answer as AsyncIterable<unknown>) {
      yield message;
      throw error;
    }
  })();
};
