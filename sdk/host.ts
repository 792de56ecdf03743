import type { Kit } from '../sidecar/core/kit.ts';
import type { EmbedOptions } from '../sidecar/index.ts';
import type { Channel } from './channel.ts';
import { loadGrpc } from './grpc/load.ts';
import type { LocalHome } from './local/home.ts';
import { implement, type ServeHome } from './methods.ts';
import { openServer, type Served } from './serve.ts';

/**
 * A service that this process hosts.
 *
 * @example
 * const hosted: Hosted = await mesh.host(Inventory, 'warehouse', stock);
 * console.log(hosted.placement); // local, until the configuration says mesh
 * await hosted.stop();
 */
export interface Hosted {
  /** Where calls of this process to it go now: configuration may change it at any time. */
  readonly placement: 'local' | 'mesh';
  /** Where others are answered, `host:port` or `unix:PATH`; null where the settings do not call the app so. */
  readonly address: string | null;
  /**
   * Takes no new calls; those that run may finish, from outside within `graceMs` (default 10 s). Safe to call again.
   */
  stop(graceMs?: number): Promise<void>;
}

/** Hosting is what a mesh keeps in its own process. What carries calls there is loaded when it is needed. */
export class Hosting {
  readonly #config: string | undefined;
  readonly #kit: Kit | undefined;
  #home: LocalHome | null = null;
  #opening: Promise<LocalHome> | null = null;

  /** `config`: a settings file. `kit`: time and chance of a test, in which there is no file. */
  constructor({ config = process.env['OUTRIGGER_CONFIG'] }: { readonly config?: string }, kit?: Kit) {
    this.#config = config === '' || kit !== undefined ? undefined : config;
    this.#kit = kit;
  }

  /** `startsSidecar`: no sidecar runs elsewhere, so that one is started here if a file says how. */
  home(startsSidecar: boolean): Promise<LocalHome> {
    return (this.#opening ??= this.#open(startsSidecar));
  }

  /** The way to a service that is hosted here; null: it is not, or it is to be called through the sidecar. */
  channelTo(service: string): Channel | null {
    return this.#home?.takes(service) === true ? this.#home.channel : null;
  }

  async host(servers: ServeHome, definition: object, service: string, methods: object): Promise<Hosted> {
    const answers = implement(servers, definition, methods);
    const home = await this.home(false);
    const leave = home.host(service, definition, answers);
    const place = home.placeOf(service);
    let served: Served | null = null;
    try {
      if (place !== null) served = await openServer(await loadGrpc(), servers, definition, methods, place);
    } catch (thrown) {
      leave();
      throw thrown;
    }
    return {
      get placement() {
        return home.placementOf(service);
      },
      address: served?.address ?? null,
      stop: async (graceMs) => {
        leave();
        await served?.stop(graceMs);
      },
    };
  }

  /** Ends what runs in this process. */
  async stop(): Promise<void> {
    await (await this.#opening?.catch(() => null))?.stop();
  }

  async #open(startsSidecar: boolean): Promise<LocalHome> {
    const { openLocalHome } = await import('./local/home.ts');
    return (this.#home = await openLocalHome({
      ...(this.#config !== undefined && { file: this.#config }),
      ...ownService(process.env),
      startsSidecar,
      consulToken: process.env['CONSUL_HTTP_TOKEN'],
      ...(this.#kit !== undefined && { kit: this.#kit }),
    }));
  }
}

/** Who the app is, as `outrigger run` tells it. */
const ownService = ({ OUTRIGGER_SERVICE: name = '' }: NodeJS.ProcessEnv): Pick<EmbedOptions, 'service'> =>
  name === '' ? {} : { service: { name } };
