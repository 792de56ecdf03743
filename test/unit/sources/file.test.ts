import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Intention } from '../../../sidecar/core/snapshot.ts';
import { fileSource } from '../../../sidecar/sources/file.ts';
import { type StaticWords, staticSlice, staticSource } from '../../../sidecar/sources/static.ts';
import { breathe, drive } from '../../support/drive.ts';
import { stillKit } from '../../support/kit.ts';
import { rule } from '../../support/policies.ts';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

const address = { id: '10.0.0.1:1', host: '10.0.0.1', port: 1, service: 'inventory' };
const words = (part: Partial<StaticWords>): StaticWords => ({
  services: null,
  intentions: null,
  flags: {},
  ...part,
});

describe('a static slice', () => {
  it('lets any verified caller in', () => {
    const slice = staticSlice(words({ services: { inventory: [address] } }));
    expect(slice.services!.get('inventory')).toEqual({
      name: 'inventory',
      endpoints: [address],
      origin: 'static',
    });
    expect([...slice.asked!]).toEqual([['inventory', true]]);
    expect(slice.access!.allowByDefault).toBe(true);
    expect(slice.flags).toBeUndefined();
  });

  it('puts its intentions in order, the most exact first', () => {
    const rule = (from: string, to: string): Intention => ({ from, to, allow: false });
    const intentions = [rule('*', '*'), rule('web', '*'), rule('*', 'orders'), rule('web', 'orders')];
    const { access } = staticSlice(words({ services: {}, intentions }));
    expect(access!.intentions.map(({ from, to }) => `${from} ${to}`)).toEqual([
      'web orders',
      '* orders',
      'web *',
      '* *',
    ]);
  });

  it('says nothing of what is another source’s', () => {
    expect(staticSlice(words({ flags: { express: 'on' } }))).toEqual({
      origin: 'static',
      flags: new Map([['express', 'on']]),
    });
  });

  it('describes what it lists', () => {
    const source = staticSource(words({ services: { empty: [] } }));
    expect(source.describe('empty')).toBe("the settings list no instance of 'empty'");
    expect(source.describe('other')).toBe("the settings have no 'other' under discovery.static.services");
  });
});

describe('source file', () => {
  const start = () => {
    const directory = mkdtempSync(join(tmpdir(), 'outrigger-'));
    const path = join(directory, 'outrigger.yaml');
    writeFileSync(path, 'one');
    const kit = stillKit();
    const stop = new AbortController();
    let reads = 0;
    let said: () => StaticWords = () => words({ flags: { read: String(reads) } });
    const source = fileSource({
      path,
      load: async () => {
        reads++;
        return said();
      },
      words: words({ flags: { read: '0' } }),
      kit,
      signal: stop.signal,
    });
    cleanUp.push(
      () => rmSync(directory, { recursive: true }),
      () => stop.abort(),
    );
    return {
      kit,
      path,
      stop,
      source,
      flag: () => source.slice.value.flags?.get('read'),
      say: (next: () => StaticWords) => {
        said = next;
      },
    };
  };

  it('reads the file again when it is written, and when another takes its place', async () => {
    const { kit, path, flag } = start();
    expect(flag()).toBe('0');
    writeFileSync(path, 'another text');
    await drive(kit, 'the first change', () => flag() === '1');
    writeFileSync(`${path}~`, 'a third');
    renameSync(`${path}~`, path);
    await drive(kit, 'the second change', () => flag() === '2');
  });

  it('takes over policies, and drops them, as the file does', async () => {
    const { kit, path, source, say } = start();
    const policies = [rule('file', 'inventory', '', { timeout: 250 })];
    say(() => words({ policies }));
    writeFileSync(path, 'with policies');
    await drive(kit, 'the policies', () => source.slice.value.policies !== undefined);
    expect(source.slice.value.policies).toEqual(policies);
    say(() => words({}));
    writeFileSync(path, 'without them again');
    await drive(kit, 'their end', () => source.slice.value.policies === undefined);
  });

  it('reads once what was written in many steps', async () => {
    const { kit, path, flag } = start();
    for (let step = 0; step < 10; step++) {
      writeFileSync(path, 'x'.repeat(step + 10));
      kit.pass(20);
      await breathe(1);
    }
    await drive(kit, 'the change', () => flag() !== '0');
    kit.pass(5000);
    await breathe(10);
    expect(flag()).toBe('1');
  });

  it('keeps what it knows when the file is bad or gone, and takes the next good one', async () => {
    const { kit, path, source, flag, say } = start();
    const refused = kit.meter.count('outrigger_slices_refused_total', 'static');
    say(() => {
      throw new Error('outrigger.yaml:3:9: unknown key');
    });
    writeFileSync(path, 'bad');
    await drive(kit, 'the refusal', () => refused.value === 1);
    expect(flag()).toBe('0');
    rmSync(path);
    await drive(kit, 'the refusal', () => refused.value === 2);
    say(() => words({ services: { inventory: [address] } }));
    writeFileSync(path, 'good');
    await drive(kit, 'the good file', () => source.slice.value.services?.size === 1);
    expect(source.describe('x')).toBe(`the settings in ${path} have no 'x' under discovery.static.services`);
  });

  it('leaves nothing behind', () => {
    const { kit, stop } = start();
    expect(kit.wheel.size).toBe(1);
    stop.abort();
    expect(kit.wheel.size).toBe(0);
  });
});
