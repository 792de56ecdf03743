import { readMethods } from '../../sidecar/core/descriptors.ts';
import { Code } from '../../sidecar/core/status.ts';
import { type Embedded, type EmbedOptions, embed } from '../../sidecar/index.ts';
import type { StreamEnd, StreamListener } from '../../wire/index.ts';
import { Metadata } from '../metadata.ts';
import type { Served } from '../methods.ts';
import { shapeOf } from '../shape.ts';
import { LocalChannel } from './channel.ts';
import { fieldIn } from './fields.ts';
import { LocalIncoming } from './incoming.ts';

/** LocalHome is what runs of the mesh in an app's own process: the services that it hosts, and the way to them. */
export class LocalHome {
  readonly channel: LocalChannel;
  readonly #embedded: Embedded;
  #stopping: Promise<void> | null = null;

  constructor(embedded: Embedded) {
    this.#embedded = embedded;
    this.channel = new LocalChannel(embedded.caller, embedded.limits, embedded.hosts);
  }

  /** The app's listener of the sidecar that was started in this process; null: none was. */
  get sidecar(): string | null {
    return this.#embedded.sidecar;
  }

  /** Who the app is; empty where nobody says. */
  get service(): string {
    return this.#embedded.service?.name ?? '';
  }

  /** Where the app's own sidecar looks for a service; null where it does not. */
  placeOf(
    service: string,
  ): { readonly socket: string } | { readonly host: string; readonly port: number } | null {
    const own = this.#embedded.service;
    if (own?.name !== service || own.place === null) return null;
    return 'path' in own.place ? { socket: own.place.path } : own.place;
  }

  /** Whether calls to a service stay in this process. */
  takes(service: string): boolean {
    return this.#embedded.hosts(service) && this.#embedded.placementOf(service) === 'local';
  }

  placementOf(service: string): 'local' | 'mesh' {
    return this.#embedded.placementOf(service);
  }

  /** Answers calls to a name by `methods`; the answer ends that. */
  host(service: string, definition: object, methods: readonly Served[]): () => void {
    const { limits } = this.#embedded;
    const byPath = new Map(methods.map(({ method, answer }) => [method.path, answer]));
    const accept = (stream: StreamEnd, fields: readonly string[]): StreamListener => {
      const path = fieldIn(fields, ':path');
      const answer = byPath.get(path);
      const incoming = new LocalIncoming(stream, path, fields, limits);
      if (answer === undefined) {
        const message = `'${service}' has no method ${path}`;
        incoming.end({ code: Code.UNIMPLEMENTED, message, trailers: new Metadata() });
      }
      // It waits before it answers, so that the stream knows by then who hears of it.
      else void answer(incoming);
      return incoming;
    };
    return this.#embedded.host(service, accept, factsOf(definition));
  }

  /** Takes no new calls, lets those that run end, for a while, and ends everything. Safe to call again. */
  stop(): Promise<void> {
    this.channel.close();
    return (this.#stopping ??= this.#stop());
  }

  async #stop(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, this.#embedded.drainMs);
    });
    await Promise.race([this.channel.emptied(), late]);
    clearTimeout(timer);
    await this.#embedded.stop();
  }
}

/** Opens it. Rejects when the settings file cannot be used, with all that is wrong, or a listener cannot be opened. */
export const openLocalHome = async (options: EmbedOptions): Promise<LocalHome> =>
  new LocalHome(await embed(options));

/** What a definition says of its methods; whether they may be executed twice only where it has descriptors. */
const factsOf = (definition: object): ReadonlyMap<string, { unary: boolean; idempotent: boolean }> => {
  const { methods, files } = shapeOf(definition);
  const described = files().flatMap(readMethods);
  const repeatable = new Set(described.filter(({ idempotent }) => idempotent).map(({ path }) => path));
  return new Map(
    methods.map(({ path, requestStream, responseStream }) => [
      path,
      { unary: !requestStream && !responseStream, idempotent: repeatable.has(path) },
    ]),
  );
};
