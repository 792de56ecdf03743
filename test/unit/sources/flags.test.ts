import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { readFlags } from '../../../sidecar/settings/read-flags.ts';
import { flagCompiler } from '../../../sidecar/sources/flags/compile.ts';
import { fileFlagsSource } from '../../../sidecar/sources/flags/file.ts';
import { kvFlagsSource } from '../../../sidecar/sources/flags/kv.ts';
import { drive } from '../../support/drive.ts';
import { facts, flagSet, onOff } from '../../support/flag-sets.ts';
import { stillKit } from '../../support/kit.ts';
import { json, scriptedAgent } from '../consul/scripted-agent.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

const documentOf = (flags: object): string => JSON.stringify({ flags });
const half = onOff({
  targeting: {
    fractional: [
      ['on', 50],
      ['off', 50],
    ],
  },
});

describe('a set of flags', () => {
  it('answers what hangs on nothing once and for all', async () => {
    const set = await flagSet({ express: onOff(), tax: onOff({ defaultVariant: 'on' }) });
    expect([set.fixed, set.targeted]).toEqual([
      [
        ['express', 'off'],
        ['tax', 'on'],
      ],
      null,
    ]);
  });

  it('answers the rest by the facts of a call', async () => {
    const byCaller = onOff({ targeting: { if: [{ in: [{ var: 'caller' }, ['web']] }, 'on'] } });
    const byMethod = onOff({
      targeting: { if: [{ ends_with: [{ var: 'method' }, '/Place'] }, 'on', null] },
    });
    const set = await flagSet({ byCaller, byMethod });
    expect(set.targeted!(facts())).toEqual([
      ['byCaller', 'on'],
      ['byMethod', 'on'],
    ]);
    expect(set.targeted!(facts({ caller: 'jobs', method: '/shop.Orders/Get' }))).toEqual([
      ['byCaller', 'off'],
      ['byMethod', 'off'],
    ]);
  });

  it('gives a share of the keys another answer, and one key always the same', async () => {
    const set = await flagSet({ express: half });
    const of = (key: string) => set.targeted!(facts({ targetingKey: key }))[0]![1];
    const all = Array.from({ length: 1000 }, (_, at) => of(`user-${at}`));
    expect(all.filter((variant) => variant === 'on').length).toBeGreaterThan(400);
    expect(all.filter((variant) => variant === 'on').length).toBeLessThan(600);
    expect(new Set(Array.from({ length: 10 }, () => of('user-7'))).size).toBe(1);
  });

  it('says nothing of a flag whose rule answers no variant', async () => {
    const set = await flagSet({
      express: onOff({ targeting: { if: [{ '==': [{ var: 'caller' }, 'web'] }, 'blue', 'on'] } }),
      none: onOff({
        defaultVariant: null,
        targeting: { if: [{ '==': [{ var: 'caller' }, ''] }, 'on', null] },
      }),
    });
    expect(set.targeted!(facts())).toEqual([]);
    expect(set.targeted!(facts({ caller: 'jobs' }))).toEqual([['express', 'on']]); // control
  });

  it('refuses a rule that is none, with its place', async () => {
    await expect(flagSet({ express: onOff({ targeting: { frac: [1] } }) })).rejects.toThrow(
      /^outrigger\/flags:1:11: the targeting of flag 'express' cannot be used: Invalid targeting configuration/,
    );
  });

  it('shares rules by $evaluators', async () => {
    const text = JSON.stringify({
      $evaluators: { ours: { '==': [{ var: 'caller' }, 'web'] } },
      flags: { express: onOff({ targeting: { if: [{ $ref: 'ours' }, 'on'] } }) },
    });
    const set = await flagCompiler()(readFlags(text, 'k'), 'kv k');
    expect(set.targeted!(facts())).toEqual([['express', 'on']]);
  });
});

describe('definitions in KV', () => {
  const start = async (first: string | null) => {
    const kit = stillKit();
    const state = { text: first, index: 10 };
    let waiting: (() => void)[] = [];
    const agent = await scriptedAgent((request, response) => {
      const answer = (): void => {
        const headers = { 'x-consul-index': String(state.index) };
        const entry = (Key: string, text: string) => ({ Key, Value: Buffer.from(text).toString('base64') });
        const others = [entry('outrigger/flags-old', 'not ours')];
        if (request.query.has('recurse'))
          json(
            response,
            state.text === null ? others : [entry('outrigger/flags', state.text), ...others],
            headers,
          );
        else json(response, '', headers, 404);
      };
      const at = request.query.get('index');
      if (at !== null && Number(at) >= state.index) waiting.push(answer);
      else answer();
    });
    const put = (text: string | null): void => {
      state.text = text;
      state.index++;
      for (const answer of waiting.splice(0)) answer();
    };
    const door = openConsul({ url: agent.url }, kit);
    const stop = new AbortController();
    const read = async (text: string, key: string) => readFlags(text, key);
    const source = kvFlagsSource({ door, read, compile: flagCompiler(), kit, signal: stop.signal });
    cleanUp.push(
      () => agent.close(),
      () => door.close(),
      () => {
        stop.abort();
        waiting = [];
      },
    );
    return { kit, put, source };
  };

  it('are followed live, and go with their key', async () => {
    const { kit, put, source } = await start(documentOf({ express: onOff() }));
    await drive(kit, 'the first', () => source.slice.value.flagSet !== undefined);
    expect(source.slice.value.flagSet!.origin).toBe('kv outrigger/flags');
    put(documentOf({ express: onOff({ defaultVariant: 'on' }) }));
    await drive(kit, 'the change', () => source.slice.value.flagSet!.fixed[0]![1] === 'on');
    put(null);
    await drive(kit, 'the end of it', () => source.slice.value.flagSet === undefined);
  });

  it('that are bad leave the last good ones, with key, place and fix in slice and metric', async () => {
    const { kit, put, source } = await start(documentOf({ express: onOff() }));
    await drive(kit, 'the first', () => source.slice.value.flagSet !== undefined);
    const good = source.slice.value.flagSet;
    put('flags: { express: { state: ON, variants: { on: true } } }');
    await drive(kit, 'the fault', () => source.slice.value.flagFaults?.length === 1);
    expect(source.slice.value.flagSet).toBe(good);
    expect(source.slice.value.flagFaults).toEqual([
      {
        origin: 'kv outrigger/flags',
        problem: "outrigger/flags:1:28: flags.express.state must be ENABLED or DISABLED, not 'ON'",
      },
    ]);
    expect(kit.meter.count('outrigger_flag_definitions_refused_total', 'kv').value).toBe(1);
    put(documentOf({ express: onOff({ targeting: { frac: [1] } }) }));
    await drive(kit, 'another', () =>
      /frac|targeting/.test(source.slice.value.flagFaults?.[0]?.problem ?? ''),
    );
    expect(source.slice.value.flagSet).toBe(good);
    put(documentOf({ express: half }));
    await drive(kit, 'what is good again', () => source.slice.value.flagFaults?.length === 0);
    expect(source.slice.value.flagSet!.targeted).not.toBeNull();
  });
});

describe('definitions in a file', () => {
  it('are read again when it changes, and stay when it goes', async () => {
    const kit = stillKit();
    const directory = mkdtempSync(join(tmpdir(), 'flags-'));
    cleanUp.push(() => rmSync(directory, { recursive: true }));
    const path = join(directory, 'flags.json');
    writeFileSync(path, documentOf({ express: onOff() }));
    const stop = new AbortController();
    cleanUp.push(() => stop.abort());
    const read = async (text: string, key: string) => readFlags(text, key);
    const source = fileFlagsSource({ path, read, compile: flagCompiler(), kit, signal: stop.signal });
    const variant = () => source.slice.value.flagSet?.fixed[0]?.[1];
    await drive(kit, 'the first', () => variant() === 'off');
    writeFileSync(path, documentOf({ express: onOff({ defaultVariant: 'on' }) }));
    await drive(kit, 'the change', () => variant() === 'on');
    rmSync(path);
    await drive(kit, 'the fault', () => source.trouble() !== null);
    expect(source.trouble()).toBe('no such file: write it, or remove flagging.file');
    expect(variant()).toBe('on');
  });
});
