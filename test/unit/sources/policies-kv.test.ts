import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import type { Log, LogFields } from '../../../sidecar/core/log.ts';
import { readPolicy } from '../../../sidecar/settings/read-policy.ts';
import { policiesSource } from '../../../sidecar/sources/policies-kv.ts';
import { breathe, drive } from '../../support/drive.ts';
import { stillKit } from '../../support/kit.ts';
import { json, scriptedAgent } from '../consul/scripted-agent.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

const tree = 'outrigger/policy/';

/** An agent with a KV tree, and the source of policies that watches it. */
const start = async (first: Record<string, string> = {}, { mayRead = true } = {}) => {
  const errors: string[] = [];
  const warnings: string[] = [];
  const still = stillKit();
  const note = (to: string[]) => (fields: LogFields, message: string) =>
    void to.push(`${message}: ${fields['key'] ?? ''} ${fields['cause'] ?? ''}`.trim());
  const log: Log = { ...still.log, error: note(errors), warn: note(warnings) };
  const kit = { ...still, log };
  const state = {
    keys: new Map(Object.entries(first)),
    index: 10,
    mayRead,
    listsAreRefused: false,
    broken: false,
    isBusy: false,
  };
  let waiting: (() => void)[] = [];
  const agent = await scriptedAgent((request, response) => {
    const answer = (): void => {
      const headers = { 'x-consul-index': String(state.index) };
      const entries = [...state.keys].sort().map(([key, value]) => ({
        Key: `${tree}${key}`,
        Value: value === '' ? null : Buffer.from(value).toString('base64'),
      }));
      if (state.broken) json(response, 'No cluster leader', {}, 500);
      else if (state.isBusy && !request.query.has('recurse')) json(response, 'too many', {}, 429);
      else if (!request.query.has('recurse')) json(response, '', headers, state.mayRead ? 404 : 403);
      else if (!state.mayRead && state.listsAreRefused) json(response, 'Permission denied', {}, 403);
      else if (!state.mayRead || entries.length === 0) {
        response.writeHead(404, headers);
        response.end();
      } else json(response, entries, headers);
    };
    const at = request.query.get('index');
    if (at !== null && Number(at) >= state.index) waiting.push(answer);
    else answer();
  });
  const wake = (): void => {
    state.index++;
    for (const answer of waiting.splice(0)) answer();
  };
  const put = (key: string, value: string): void => {
    state.keys.set(key, value);
    wake();
  };
  const door = openConsul({ url: agent.url }, kit);
  const stop = new AbortController();
  const source = policiesSource({
    door,
    read: async (text, key, service) => readPolicy(text, key, service),
    kit,
    signal: stop.signal,
  });
  cleanUp.push(
    () => agent.close(),
    () => door.close(),
    () => {
      stop.abort();
      waiting = [];
    },
  );
  const said = (): string[] =>
    (source.slice.value.policies ?? []).map(
      ({ service, method, words }) => `${service}${method} ${JSON.stringify(words)}`,
    );
  const faults = (): string[] =>
    (source.slice.value.policyFaults ?? []).map(({ origin, problem }) => `${origin}: ${problem}`);
  return { kit: still, state, agent, source, stop, put, wake, said, faults, errors, warnings };
};

const noRight =
  'kv outrigger/policy/: the ACL token may not read it, and what was known holds: add key_prefix "outrigger/" { policy = "read" } to a policy of the token';

describe('policies from KV', () => {
  it('are read from the tree, one document for each service', async () => {
    const { kit, agent, source, said, faults } = await start({
      '*': '{"balance": "round-robin"}',
      inventory: 'timeout: 250ms',
      later: '',
    });
    await drive(kit, 'the policies', () => said().length === 2);
    expect(said()).toEqual(['* {"balance":"round-robin"}', 'inventory {"timeout":250}']);
    expect(source.slice.value.policies![1]).toMatchObject({
      layer: 'kv',
      origin: 'kv outrigger/policy/inventory',
    });
    expect(faults()).toEqual([]);
    expect(agent.seen[0]!.query.has('stale')).toBe(true);
  });

  it('follow every change, and go with their key', async () => {
    const { kit, state, put, wake, said } = await start({ inventory: 'timeout: 1s', orders: 'timeout: 2s' });
    await drive(kit, 'the first', () => said().length === 2);
    put('inventory', 'timeout: 3s');
    await drive(kit, 'the change', () => said()[0] === 'inventory {"timeout":3000}');
    state.keys.delete('inventory');
    wake();
    await drive(kit, 'the end of it', () => said().join() === 'orders {"timeout":2000}');
  });

  it('that are bad leave the last good one of their key, with key, place and fix in log, metric and slice', async () => {
    const { kit, put, said, faults, errors } = await start({
      inventory: 'timeout: 1s',
      orders: 'timeout: 2s',
    });
    await drive(kit, 'the first', () => said().length === 2);
    put('inventory', 'timeout: 3s\nretry: { atempts: 2 }');
    await drive(kit, 'the fault', () => faults().length === 1);
    expect(said()).toEqual(['inventory {"timeout":1000}', 'orders {"timeout":2000}']);
    const complaint =
      "outrigger/policy/inventory:2:10: unknown key 'atempts' in retry (did you mean 'attempts'?)";
    expect(faults()).toEqual([`kv outrigger/policy/inventory: ${complaint}`]);
    expect(errors).toEqual([
      `a bad policy in KV is not used; the last good one of its key holds: outrigger/policy/inventory ${complaint}`,
    ]);
    expect(kit.meter.count('outrigger_policies_refused_total', 'inventory').value).toBe(1);
    put('orders', 'timeout: 4s'); // others go on, and the bad one is not told of again
    await drive(kit, 'another change', () => said()[1] === 'orders {"timeout":4000}');
    expect(errors).toHaveLength(1);
    put('inventory', 'timeout: 5s');
    await drive(kit, 'the mended one', () => said()[0] === 'inventory {"timeout":5000}');
    expect(faults()).toEqual([]);
  });

  it.each([
    ['a name that no service has', 'a/b', '{}', "'a/b' is not the name of a service, and not '*': delete it"],
    [
      'a document of 4097 bytes',
      'big',
      `#${'x'.repeat(4 * 1024)}`,
      'is 4097 bytes long, a policy may have 4096: shorten it',
    ],
  ])('%s is refused alone', async (_, key, value, complaint) => {
    const { kit, said, faults } = await start({ [key]: value, inventory: 'timeout: 1s' });
    await drive(kit, 'the good one', () => said().length === 1);
    expect(faults()).toEqual([`kv outrigger/policy/${key}: outrigger/policy/${key}: ${complaint}`]);
  });

  it('are 256 at most: a flood of new keys pushes none out, and is named', async () => {
    const { kit, state, wake, said, faults } = await start({ zebra: 'timeout: 1s' });
    await drive(kit, 'the first', () => said().length === 1);
    for (let at = 0; at < 300; at++) state.keys.set(`a${String(at).padStart(3, '0')}`, '{"timeout":"2s"}');
    wake();
    await drive(kit, 'the flood', () => said().length === 256);
    expect(said()).toContain('zebra {"timeout":1000}');
    expect(faults()).toEqual([
      "kv outrigger/policy/a255: is not read, and 44 more: 256 policies are; delete some, or use '*'",
    ]);
  });
});

describe('an empty tree', () => {
  it('is believed when a consistent read says so too', async () => {
    const { kit, state, agent, wake, said } = await start({ inventory: 'timeout: 1s' });
    await drive(kit, 'the first', () => said().length === 1);
    state.keys.clear();
    wake();
    await drive(kit, 'the end of it', () => said().length === 0);
    expect(agent.seen.some(({ query }) => query.has('consistent'))).toBe(true);
  });

  it('is not believed for two minutes when Consul had failed before: it may have been wiped', async () => {
    const { kit, state, wake, said } = await start({ inventory: 'timeout: 1s' });
    await drive(kit, 'the first', () => said().length === 1);
    const begun = kit.clock.now();
    state.broken = true;
    wake();
    await breathe();
    kit.pass(1000);
    state.broken = false;
    state.keys.clear();
    await drive(kit, 'the end of it', () => said().length === 0);
    expect(kit.clock.now() - begun).toBeGreaterThan(120_000);
  });

  it('is what a token without the right is shown: said once, and not believed', async () => {
    const { kit, state, wake, said, faults, warnings } = await start({ inventory: 'timeout: 1s' });
    await drive(kit, 'the first', () => said().length === 1);
    state.mayRead = false;
    wake();
    await drive(kit, 'the fault', () => faults().length === 1);
    expect(faults()).toEqual([noRight]);
    for (let step = 0; step < 40; step++) {
      kit.pass(5000);
      await breathe(5);
    }
    expect(said()).toEqual(['inventory {"timeout":1000}']);
    expect(warnings.filter((line) => line.startsWith('the ACL token has lost'))).toHaveLength(1);
    state.mayRead = true;
    wake();
    await drive(kit, 'the right again', () => faults().length === 0);
    expect(said()).toEqual(['inventory {"timeout":1000}']);
  });

  it('is not believed of an agent that is too busy to say whether the token may read it', async () => {
    const { kit, state, source, wake, said } = await start({ inventory: 'timeout: 1s' });
    await drive(kit, 'the policy', () => said().length === 1);
    Object.assign(state, { mayRead: false, isBusy: true });
    wake();
    await drive(kit, 'trouble', () => source.trouble() !== null);
    const begun = kit.clock.now();
    await drive(kit, 'five minutes', () => kit.clock.now() - begun > 300_000);
    expect(said()).toEqual(['inventory {"timeout":1000}']);
  });

  it.each([false, true])(
    'of a token that never had the right is shown, and found once it has (refused lists: %s)',
    async (lists) => {
      const { kit, state, wake, said, faults, source } = await start(
        { inventory: 'timeout: 1s' },
        { mayRead: false },
      );
      state.listsAreRefused = lists;
      await drive(kit, 'the fault', () => faults().length === 1);
      expect(faults()).toEqual([noRight]);
      expect(source.slice.value.policies).toEqual([]);
      state.mayRead = true;
      wake();
      await drive(kit, 'the policies', () => said().length === 1);
      expect(faults()).toEqual([]);
    },
  );

  it('is asked about once: no question proves the same right again', async () => {
    const { kit, agent, source, wake } = await start();
    const proofs = () => agent.seen.filter(({ query }) => !query.has('recurse')).length;
    await drive(kit, 'the proof', () => proofs() === 1);
    await drive(kit, 'the answer that there is none', () => source.slice.value.policies?.length === 0);
    for (let step = 0; step < 3; step++) {
      wake();
      kit.pass(3000);
      await breathe();
    }
    expect(proofs()).toBe(1);
  });
});
