import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { types } from '../../../../sidecar/cli/types/command.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder with these files. */
const folderOf = (files: Readonly<Record<string, string>>): string => {
  const folder = mkdtempSync(join(tmpdir(), 'types-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
};

/** What is written for one file; without its first two lines. */
const written = (text: string, others: Readonly<Record<string, string>> = {}): string => {
  const folder = folderOf({ ...others, 'shop.proto': `syntax = "proto3";\npackage shop.v1;\n${text}` });
  const lines: string[] = [];
  expect(
    types([join(folder, 'shop.proto')], { include: [join(folder, 'more')] }, (line) => lines.push(line)),
  ).toBe(0);
  return lines.join('\n').split('\n').slice(2).join('\n');
};

describe('the types of a .proto file', () => {
  it('have each field as it is read, and as it may be written', () => {
    expect(
      written(`
        message Order {
          string sku = 1;
          int64 cents = 2;
          bool express = 3;
          bytes photo = 4;
          repeated double sizes = 5;
          map<string, Line> lines = 6;
          Line first = 7;
          optional string note = 8;
          oneof to { string street = 9; Line shelf = 10; }
          message Line { int32 pieces = 1; }
        }`),
    ).toBe(`export interface Order {
  sku: string;
  cents: number;
  express: boolean;
  photo: Buffer;
  sizes: number[];
  lines: { [key: string]: OrderLine };
  first: OrderLine | null;
  note?: string;
  street?: string;
  shelf?: OrderLine;
  to?: 'street' | 'shelf';
}

/** Order as it may be written. */
export interface OrderInit {
  sku?: string | undefined;
  cents?: number | undefined;
  express?: boolean | undefined;
  photo?: Uint8Array | undefined;
  sizes?: number[] | undefined;
  lines?: { [key: string]: OrderLineInit } | undefined;
  first?: OrderLineInit | null | undefined;
  note?: string | undefined;
  street?: string | undefined;
  shelf?: OrderLineInit | null | undefined;
}

export interface OrderLine {
  pieces: number;
}

/** OrderLine as it may be written. */
export interface OrderLineInit {
  pieces?: number | undefined;
}`);
  });

  it('have enums as their names, and comments where they stand', () => {
    const text = written(`
      // How quickly it goes.
      enum Speed { SLOW = 0; FAST = 1; }
      message Item { repeated Speed speeds = 1; /* May be
        empty. */ Speed most_often = 2; }`);
    expect(text).toContain("/** How quickly it goes. */\nexport type Speed =\n  | 'SLOW'\n  | 'FAST';");
    expect(text).toContain('  speeds: Speed[];');
    expect(text).toContain('  speeds?: (Speed | number)[] | undefined;');
    expect(text).toContain('   * May be\n   * empty.');
    expect(text).toContain('  mostOften: Speed;');
  });

  it('have a service as its callers see it, and as whoever serves it does', () => {
    const text = written(`
      service Shop {
        // Takes one away.
        rpc Take(Item) returns (Item);
        rpc Count(stream Item) returns (stream Item);
      }
      message Item {}`);
    expect(text).toContain(`export interface Shop {
  /** Takes one away. */
  take(request: ItemInit): Promise<Item>;
  count(requests: AsyncIterable<ItemInit>): AsyncIterable<Item>;
}`);
    expect(text).toContain(`export interface ShopServer {
  /** Takes one away. */
  take(request: Item): Promise<ItemInit>;
  count(requests: AsyncIterable<Item>): AsyncIterable<ItemInit>;
}`);
    expect(text).toContain("definition<Shop, ShopServer>('FILE.proto', 'shop.v1.Shop')");
  });

  it('have what is imported beside, with its package in the name where two would be the same', () => {
    const more = 'syntax = "proto3";\npackage other;\nmessage Item { string name = 1; }';
    const text = written('import "other.proto";\nmessage Item { other.Item of = 1; }', {
      'more/other.proto': more,
    });
    expect(text).toContain('export interface ShopV1Item {\n  of: OtherItem | null;\n}');
    expect(text).toContain('export interface OtherItem {\n  name: string;\n}');
  });
});

describe('outrigger types', () => {
  it('writes NAME.types.ts of each file into the folder', () => {
    const folder = folderOf({
      'a.proto': 'syntax = "proto3"; message A {}',
      'b.proto': 'syntax = "proto3"; message B {}',
    });
    const lines: string[] = [];
    const out = join(folder, 'new/src');
    types([join(folder, 'a.proto'), join(folder, 'b.proto')], { out }, (line) => lines.push(line));
    expect(lines).toEqual([join(out, 'a.types.ts'), join(out, 'b.types.ts')]);
    expect(readFileSync(lines[0]!, 'utf8')).toContain("Written by 'outrigger types a.proto'");
  });

  it.each([
    ['nothing', [], /which files\? Write outrigger types FILE.proto/],
    ['several without a folder', ['a.proto', 'b.proto'], /add --out DIR/],
    ['one that is not there', ['/nowhere/a.proto'], /\/nowhere\/a\.proto: there is no such file/],
  ])('refuses %s, and says what to do', (_, files, why) => {
    expect(() => types(files, {}, () => {})).toThrow(why);
  });

  it('names file and cause when one does not parse, and when an import is missing', () => {
    const folder = folderOf({
      'a.proto': 'syntax = "proto3"; mesage A {}',
      'b.proto': 'syntax = "proto3"; import "c.proto";',
    });
    expect(() => types([join(folder, 'a.proto')], {}, () => {})).toThrow(/a\.proto: .*mesage.*line 1/);
    expect(() => types([join(folder, 'b.proto')], {}, () => {})).toThrow(/b\.proto: .*c\.proto/);
  });

  it.each([
    [
      'message Order { message Line {} } message OrderLine {}',
      /shop\.v1\.Order\.Line and shop\.v1\.OrderLine would both be the type/,
    ],
    [
      'message Foo {} message FooInit {}',
      /shop\.v1\.Foo and shop\.v1\.FooInit would both be the type FooInit: rename one/,
    ],
  ])('refuses names that would be one: %s', (text, why) => {
    const folder = folderOf({ 'a.proto': `syntax = "proto3"; package shop.v1; ${text}` });
    expect(() => types([join(folder, 'a.proto')], {}, () => {})).toThrow(why);
  });
});
