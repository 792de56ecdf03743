import { type Registration, register } from './consul/registration.ts';
import { type Contract, contractKey } from './core/contract.ts';
import type { Ground } from './ground.ts';
import type { WayIn } from './way-in.ts';

/** Enrolment is what stands in Consul for one sidecar, from when it may be called to when it leaves. */
export class Enrolment {
  /** False where there is nothing to register: no agent, or nobody whom peers could call. */
  readonly isDue: boolean;
  readonly #ground: Ground;
  readonly #signal: AbortSignal;
  #registration: Registration | null = null;
  #isBegun = false;

  constructor(ground: Ground, signal: AbortSignal) {
    this.#ground = ground;
    this.#signal = signal;
    const { discovery, listen, service } = ground.settings;
    this.isDue = discovery.from === 'consul' && listen.peers !== null && service?.app != null;
  }

  /** True while Consul holds it. */
  get stands(): boolean {
    return this.#registration?.registered.value === true;
  }

  /** Registers what is behind `way`, and keeps it so. Does nothing the second time, nor where it is not due. */
  begin(way: WayIn | null): void {
    if (!this.isDue || this.#isBegun || way === null) return;
    this.#isBegun = true;
    const { settings, origins, kit } = this.#ground;
    const { advertise } = settings;
    const service = settings.service!;
    const app = service.app!;
    const { address } = way.listener;
    const at = address.lastIndexOf(':');
    const host = address.slice(0, at).replace(/^\[|\]$/g, '');
    const isEverywhere = host === '0.0.0.0' || host === '::';
    this.#registration = register({
      door: origins.door!,
      kit,
      signal: this.#signal,
      service: {
        name: service.name,
        address: 'path' in app ? null : app,
        check: service.check,
        serving: service.check === 'none' ? undefined : way.serving,
        meta: service.meta,
        tags: service.tags,
      },
      proxy: {
        port: advertise?.port ?? Number(address.slice(at + 1)),
        advertise: advertise?.host ?? (isEverywhere ? null : host),
        meta: metaOf(way.contract.value),
      },
    });
    way.contract.listen((known) => this.#registration?.describe(metaOf(known)));
  }

  /** Sends peers elsewhere, while those who come all the same are served; says whether Consul has heard. */
  async hide(reason: string): Promise<boolean> {
    return (await this.#registration?.maintenance(reason)) ?? false;
  }

  /** Takes it out of Consul. A drain and a close at the same time both ask for it: it is done once. */
  async end(): Promise<void> {
    const registration = this.#registration;
    this.#registration = null;
    this.#isBegun = true;
    await registration?.deregister();
  }
}

/** Callers' sidecars see by it which contract we have, and ask us for one that they do not know. */
const metaOf = (contract: Contract | null): Readonly<Record<string, string>> =>
  contract === null ? {} : { [contractKey]: contract.hash };
