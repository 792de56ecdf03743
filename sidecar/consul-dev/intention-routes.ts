import { type Ask, jsonBody, type Route } from './ask.ts';
import type { Query } from './blocking.ts';
import type { Intentions } from './intentions.ts';
import { Refusal } from './refusal.ts';

/** What the routes below read and write. */
export interface IntentionParts {
  readonly intentions: Intentions;
  readonly query: Query;
  /** Whether `match` tells its index: Consul 1.8 blocks there but does not, newer ones do. */
  readonly matchIndex: boolean;
}

/** `/v1/connect/intentions...`, in the forms of 1.8 (by id) and of 1.9 (`exact`). Ref: Consul API, "Intentions". */
export const intentionRoutes = ({ intentions, query, matchIndex }: IntentionParts): Route[] => {
  const concerns = (written: string): boolean => written === 'intentions';
  const body = (ask: Ask) => jsonBody(ask, 'Request decode failed: ');
  const pair = (ask: Ask): [string, string] => [one(ask, 'source'), one(ask, 'destination')];
  return [
    {
      method: 'GET',
      path: '/v1/connect/intentions',
      answer: (ask) =>
        query(ask, { concerns, read: () => ({ index: intentions.index, json: intentions.all() }) }),
    },
    {
      method: 'POST',
      path: '/v1/connect/intentions',
      answer: (ask) => ({ json: { ID: intentions.put(body(ask)).ID } }),
    },
    {
      method: 'GET',
      path: '/v1/connect/intentions/match',
      answer: async (ask) => {
        const by = ask.search.get('by');
        if (by === null) throw new Refusal(500, "required query parameter 'by' not set");
        if (by !== 'source' && by !== 'destination')
          throw new Refusal(500, "'by' parameter must be one of 'source' or 'destination'");
        const names = ask.search.getAll('name');
        if (names.length === 0) throw new Refusal(500, "required query parameter 'name' not set");
        const read = () => ({
          index: intentions.index,
          json: Object.fromEntries(names.map((name) => [name, intentions.matching(by, bare(name))])),
        });
        const answer = await query(ask, { concerns, read });
        return matchIndex ? answer : { json: answer.json };
      },
    },
    {
      method: 'GET',
      path: '/v1/connect/intentions/check',
      answer: (ask) => ({ json: { Allowed: intentions.decide(...pair(ask)).allowed } }),
    },
    {
      method: 'GET',
      path: '/v1/connect/intentions/exact',
      answer: (ask) =>
        query(ask, {
          concerns,
          read: () => {
            const found = intentions.exact(...pair(ask));
            if (found === undefined) throw new Refusal(404, 'Intention not found');
            return { index: intentions.index, json: found };
          },
        }),
    },
    {
      method: 'PUT',
      path: '/v1/connect/intentions/exact',
      answer: (ask) => {
        const [source, destination] = pair(ask);
        const wanted = { ...body(ask), SourceName: source, DestinationName: destination };
        intentions.put(wanted, intentions.exact(source, destination));
        return { json: true };
      },
    },
    {
      method: 'DELETE',
      path: '/v1/connect/intentions/exact',
      answer: (ask) => {
        const found = intentions.exact(...pair(ask));
        if (found !== undefined) intentions.removeExact(found);
        return { json: true };
      },
    },
    {
      method: 'GET',
      path: '/v1/connect/intentions/:id',
      answer: (ask) => ({ json: intentions.get(ask.parts['id']!) }),
    },
    {
      method: 'PUT',
      path: '/v1/connect/intentions/:id',
      answer: (ask) => ({ json: { ID: intentions.put(body(ask), intentions.get(ask.parts['id']!)).ID } }),
    },
    {
      method: 'DELETE',
      path: '/v1/connect/intentions/:id',
      answer: (ask) => {
        intentions.remove(ask.parts['id']!);
        return { json: true };
      },
    },
  ];
};

const one = (ask: Ask, name: string): string => {
  const value = ask.search.get(name);
  if (value === null || value === '') throw new Refusal(500, `required query parameter '${name}' not set`);
  return bare(value);
};

/** `default/web` is `web`: there is one namespace. */
const bare = (name: string): string => name.replace(/^default\//, '');
