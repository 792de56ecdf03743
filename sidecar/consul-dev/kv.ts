import type { Answer, Ask, Route } from './ask.ts';
import type { Query } from './blocking.ts';
import type { Ledger } from './ledger.ts';
import { Refusal } from './refusal.ts';

/** One key. */
interface Entry {
  readonly value: Buffer;
  readonly flags: number;
  readonly createIndex: number;
  readonly modifyIndex: number;
}

const mostKeys = 20_000;
/** Deletions remembered; beyond, the oldest are forgotten and answer with the table's last write. */
const mostGraves = 10_000;

/** `/v1/kv/:key`: GET with `recurse`, `raw`, `keys`, `separator`; PUT with `cas`, `flags`; DELETE with `cas`, `recurse`. */
export const kvRoutes = (ledger: Ledger, query: Query): Route[] => {
  const entries = new Map<string, Entry>();
  /** Deleted keys with the write that took them: a prefix must not seem older when a key leaves it. */
  const graves = new Map<string, number>();

  const under = (prefix: string): string[] =>
    [...entries.keys()].filter((key) => key.startsWith(prefix)).sort(byBytes);
  const prefixIndex = (prefix: string): number => {
    let index = 0;
    for (const [key, entry] of entries)
      if (key.startsWith(prefix)) index = Math.max(index, entry.modifyIndex);
    for (const [key, at] of graves) if (key.startsWith(prefix)) index = Math.max(index, at);
    return index === 0 ? ledger.last('kv') : index;
  };
  const bury = (keys: readonly string[]): void => {
    const index = ledger.write('kv', ...keys.map((key) => `kv:${key}`));
    for (const key of keys) {
      entries.delete(key);
      ledger.forget(`kv:${key}`);
      graves.delete(key);
      graves.set(key, index);
    }
    for (const key of graves.keys()) {
      if (graves.size <= mostGraves) break;
      graves.delete(key);
    }
  };
  /** Whether `?cas=` allows a write: 0 means only when there is none. */
  const agrees = (ask: Ask, key: string): boolean => {
    const cas = ask.search.get('cas');
    if (cas === null) return true;
    if (!/^\d+$/.test(cas))
      throw new Refusal(500, `strconv.ParseUint: parsing ${JSON.stringify(cas)}: invalid syntax`);
    return Number(cas) === (entries.get(key)?.modifyIndex ?? 0);
  };
  const show = (key: string) => {
    const { value, flags, createIndex, modifyIndex } = entries.get(key)!;
    return {
      LockIndex: 0,
      Key: key,
      Flags: flags,
      Value: value.length === 0 ? null : value.toString('base64'),
      CreateIndex: createIndex,
      ModifyIndex: modifyIndex,
    };
  };

  const readMany = (ask: Ask, prefix: string): Promise<Answer> =>
    query(ask, {
      concerns: (written) => written.startsWith(`kv:${prefix}`),
      read: () => {
        const index = prefixIndex(prefix);
        const keys = under(prefix);
        if (keys.length === 0) return { index, status: 404, raw: '' };
        if (!ask.search.has('keys')) return { index, json: keys.map(show) };
        return { index, json: cutAt(keys, prefix, ask.search.get('separator') ?? '') };
      },
    });
  const readOne = (ask: Ask, key: string): Promise<Answer> =>
    query(ask, {
      concerns: (written) => written === `kv:${key}`,
      read: () => {
        const entry = entries.get(key);
        if (entry === undefined) return { index: ledger.last('kv'), status: 404, raw: '' };
        const index = entry.modifyIndex;
        if (!ask.search.has('raw')) return { index, json: [show(key)] };
        const headers = {
          'Content-Type': 'text/plain',
          'Content-Security-Policy': 'sandbox',
          'X-Content-Type-Options': 'nosniff',
        };
        return { index, headers, raw: entry.value };
      },
    });

  return [
    {
      method: 'GET',
      path: '/v1/kv/:key',
      answer: (ask) => {
        const key = ask.parts['key']!;
        if (ask.search.has('recurse') || ask.search.has('keys')) return readMany(ask, key);
        return readOne(ask, named(key));
      },
    },
    {
      method: 'PUT',
      path: '/v1/kv/:key',
      answer: (ask) => {
        const key = named(ask.parts['key']!);
        if (!agrees(ask, key)) return { json: false };
        if (!entries.has(key) && entries.size >= mostKeys)
          throw new Refusal(500, `the development agent holds ${mostKeys} keys at most`);
        const known = entries.get(key);
        const flags = Number(ask.search.get('flags') ?? 0);
        // The same value again is no write, as in Consul: it must wake nobody.
        if (known !== undefined && known.flags === flags && known.value.equals(ask.body))
          return { json: true };
        const index = ledger.write('kv', `kv:${key}`);
        const createIndex = known?.createIndex ?? index;
        entries.set(key, { value: ask.body, flags, createIndex, modifyIndex: index });
        graves.delete(key);
        return { json: true };
      },
    },
    {
      method: 'DELETE',
      path: '/v1/kv/:key',
      answer: (ask) => {
        const key = ask.parts['key']!;
        const recurse = ask.search.has('recurse');
        if (!recurse) named(key);
        if (!recurse && !agrees(ask, key)) return { json: false };
        const keys = recurse ? under(key) : [key].filter((one) => entries.has(one));
        if (keys.length > 0) bury(keys);
        return { json: true };
      },
    },
  ];
};

const named = (key: string): string => {
  if (key === '') throw new Refusal(400, 'Missing key name');
  return key;
};

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Keys up to the first separator after the prefix, each once. */
const cutAt = (keys: readonly string[], prefix: string, separator: string): string[] => {
  if (separator === '') return [...keys];
  const cut = keys.map((key) => {
    const at = key.indexOf(separator, prefix.length);
    return at < 0 ? key : key.slice(0, at + separator.length);
  });
  return [...new Set(cut)];
};
