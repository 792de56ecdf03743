import type { Request, Way } from './exchange.ts';
import { Pipeline } from './pipeline.ts';
import type { ConsulTls } from './tls.ts';

/**
 * CacheLane is the way of questions that the agent answers from its cache: one pipeline, and one more for each other
 * datacenter that is asked about, so that one that cannot be reached holds up its own answers alone.
 */
export class CacheLane {
  readonly #url: string;
  readonly #tls: ConsulTls | null;
  readonly #pipelines: Map<string, Pipeline> = new Map();

  constructor(url: string, tls: ConsulTls | null) {
    this.#url = url;
    this.#tls = tls;
  }

  readonly send: Way = (request, headers, hearing) => {
    const { body } = hearing;
    let answer: { status: number; headers: Readonly<Record<string, string>> } = { status: 0, headers: {} };
    return this.#pipelineTo(request.query?.['dc'] ?? '').ask(lineOf(request), headers, {
      begin: (status, told) => {
        answer = { status, headers: told };
        if (body.isTooLong(Number(told['content-length'] ?? 0))) hearing.tooLong();
      },
      part: (octets) => {
        if (!body.take(octets)) hearing.tooLong();
      },
      end: () => hearing.answered(answer.status, answer.headers),
      fail: (why) =>
        hearing.failed(
          answer.status === 0 ? 'refused' : 'garbage',
          answer.status === 0 ? why : `the answer broke off: ${why}`,
        ),
    });
  };

  close(): void {
    for (const pipeline of this.#pipelines.values()) pipeline.close();
  }

  #pipelineTo(datacenter: string): Pipeline {
    let pipeline = this.#pipelines.get(datacenter);
    if (pipeline === undefined) {
      pipeline = new Pipeline(this.#url, this.#tls);
      this.#pipelines.set(datacenter, pipeline);
    }
    return pipeline;
  }
}

/** What is asked for, as the agent's HTTP server reads it. */
const lineOf = ({ path, params = {}, query = {} }: Request): string => {
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(params[name] ?? ''));
  return `/v1${filled}?${new URLSearchParams(query)}`;
};
