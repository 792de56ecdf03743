/** One answer of Consul's API. */
export interface ApiAnswer {
  readonly status: number;
  readonly index: number;
  readonly text: string;
  readonly headers: Headers;
  /** Milliseconds until the answer was whole. */
  readonly took: number;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into answers of many shapes
  json(): any;
}

/** Consul's HTTP API for tests. */
export interface Api {
  get(path: string): Promise<ApiAnswer>;
  put(path: string, body?: unknown): Promise<ApiAnswer>;
  post(path: string, body?: unknown): Promise<ApiAnswer>;
  delete(path: string): Promise<ApiAnswer>;
  /** Reads until `is` holds; a real agent tells its catalog a moment later. */
  until(path: string, is: (answer: ApiAnswer) => boolean): Promise<ApiAnswer>;
}

const patienceMs = 5000;

/** One question, before it is sent. */
export interface ApiQuestion {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
}

/** How questions are put and answers heard, where a test does not speak for itself alone. */
export interface Manner {
  /** The token that a question is asked with. */
  token?(question: ApiQuestion): Promise<string>;
  /** What is sent in place of a question. */
  put?(question: ApiQuestion): ApiQuestion;
  /** What is heard in place of an answer. */
  hear?(text: string): string;
}

/** Speaks to an agent, once `url` is known. */
export const apiOf = (url: string | (() => string), manner: Manner | (() => Manner) = {}): Api => {
  const mannerly = typeof manner === 'function' ? manner : () => manner;
  const base = typeof url === 'string' ? () => url : url;
  const ask = async (method: string, asked: string, content?: unknown): Promise<ApiAnswer> => {
    const { token, put = (question) => question, hear = (text) => text } = mannerly();
    const { path, body } = put({ method, path: asked, body: content });
    const shown = await token?.({ method, path, body });
    const begun = performance.now();
    const response = await fetch(`${base()}${path}`, {
      method,
      ...(shown === undefined ? {} : { headers: { 'X-Consul-Token': shown } }),
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = hear(await response.text());
    return {
      status: response.status,
      index: Number(response.headers.get('x-consul-index') ?? Number.NaN),
      text,
      headers: response.headers,
      took: performance.now() - begun,
      json: () => JSON.parse(text),
    };
  };
  const api: Api = {
    get: (path) => ask('GET', path),
    put: (path, body) => ask('PUT', path, body),
    post: (path, body) => ask('POST', path, body),
    delete: (path) => ask('DELETE', path),
    until: async (path, is) => {
      const end = Date.now() + patienceMs;
      for (;;) {
        const answer = await ask('GET', path);
        if (is(answer)) return answer;
        if (Date.now() > end)
          throw new Error(`${path} never came true; last: ${answer.status} ${answer.text}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
  return api;
};

/** The ids of the services that a health answer lists. */
export const idsOf = (answer: ApiAnswer): string[] =>
  answer.json().map((each: { Service: { ID: string } }) => each.Service.ID);

/** The list has one entry. */
export const one = (answer: ApiAnswer): boolean => answer.json().length === 1;

/** The list is empty. */
export const none = (answer: ApiAnswer): boolean => answer.json().length === 0;

/** Status and text, as a refusal is compared. */
export const said = async (answer: Promise<ApiAnswer>): Promise<[number, string]> => {
  const { status, text } = await answer;
  return [status, text.trim()];
};
