import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { readFlags } from '../../../sidecar/settings/read-flags.ts';
import { onOff } from '../../support/flag-sets.ts';

const read = (text: string) => readFlags(text, 'outrigger/flags');
/** What is said of a document that cannot be used. */
const complaint = (text: string): string => {
  try {
    read(text);
  } catch (thrown) {
    return (thrown as Error).message;
  }
  return 'nothing';
};

describe('definitions of flags', () => {
  it('are the enabled flags of a document, in JSON and in YAML alike', () => {
    const json = read(JSON.stringify({ flags: { express: onOff(), old: onOff({ state: 'DISABLED' }) } }));
    const yaml = read(
      'flags:\n  express: { state: ENABLED, variants: { on: true, off: false }, defaultVariant: off }\n' +
        '  old: { state: DISABLED, variants: { on: true, off: false }, defaultVariant: off }\n',
    );
    expect(json.flags).toEqual([
      { name: 'express', variants: { on: true, off: false }, defaultVariant: 'off', targeting: null },
    ]);
    expect(yaml.flags).toEqual(json.flags);
    expect(yaml.version).toBe(json.version); // whatever they are written in
    expect(json.version).toMatch(/^[0-9a-f]{8}$/);
  });

  it('have another version when they say anything else', () => {
    const one = read(JSON.stringify({ flags: { express: onOff() } }));
    const other = read(JSON.stringify({ flags: { express: onOff({ defaultVariant: 'on' }) } }));
    expect(other.version).not.toBe(one.version);
  });

  it('may be without a default', () => {
    const { flags } = read(JSON.stringify({ flags: { express: onOff({ defaultVariant: null }) } }));
    expect(flags[0]!.defaultVariant).toBeNull();
  });

  it.each([
    ['flags: [', /^outrigger\/flags:1:\d+: not valid YAML/],
    ['flag: {}', /^outrigger\/flags:1:1: unknown key 'flag' in the document \(did you mean 'flags'\?\)/m],
    [
      'flags:\n  express:\n    state: ENABLED\n    variants: { on: true }\n    defaultVariant: of\n',
      /^outrigger\/flags:5:21: flags\.express\.defaultVariant must be one of the variants \(on\), not 'of'$/,
    ],
    [
      'flags:\n  express: { state: on, variants: { on: true } }\n',
      /^outrigger\/flags:2:21: flags\.express\.state must be ENABLED or DISABLED, not 'on'$/,
    ],
    [
      'flags:\n  "a b": { state: ENABLED, variants: { on: true } }\n',
      /^outrigger\/flags:2:3: key 'a b' of flags/,
    ],
    ['flags:\n  a: { state: ENABLED, variants: {} }\n', /flags\.a\.variants must have 1 to 32 entries/],
  ])('say where they are wrong, why, and what to write: %j', (text, message) => {
    expect(complaint(text)).toMatch(message);
  });

  it('are no more than baggage has room for', () => {
    const many = (count: number) =>
      JSON.stringify({
        flags: Object.fromEntries(Array.from({ length: count }, (_, at) => [`f${at}`, onOff()])),
      });
    expect(complaint(many(49))).toMatch(/flags must have 48 enabled flags at most/);
    expect(complaint(many(48))).toBe('nothing');
  });

  it('are not longer than the loop can bear: 64 KiB of JSON, 8 KiB of YAML', () => {
    const long = JSON.stringify({ flags: {}, metadata: { about: 'x'.repeat(65_536) } });
    expect(complaint(long)).toMatch(/^outrigger\/flags: is 65\d+ bytes long, .* may have 65536: shorten it$/);
    expect(complaint(`flags: {}\nmetadata: { about: ${'x'.repeat(9000)} }`)).toMatch(
      /^outrigger\/flags: is no JSON .* shorten YAML to 8192 bytes/,
    );
    // Of a long one the path is told.
    const wide = {
      flags: { express: onOff({ defaultVariant: 'of' }) },
      metadata: { about: 'x'.repeat(9000) },
    };
    expect(complaint(JSON.stringify(wide))).toMatch(/flags\.express\.defaultVariant must be one of/);
  });
});

describe('flagging in the settings', () => {
  const flagging = (text: string) =>
    readSettings(`service: { name: web }\nflagging: ${text}`, 'mesh.yaml', '/etc').settings.flagging;

  it('says what a share of the callers is chosen by', () => {
    expect(flagging('{ targeting-key: "baggage:userId" }').targetingKey).toEqual({
      in: 'baggage',
      name: 'userId',
    });
    expect(flagging('{ targeting-key: "metadata:x-user" }').targetingKey).toEqual({
      in: 'metadata',
      name: 'x-user',
    });
    expect(() => flagging('{ targeting-key: user }')).toThrow(/must be 'baggage:' or 'metadata:' and a name/);
  });

  it('stands beside the short form of fixed flags', () => {
    const { settings } = readSettings(
      'service: { name: web }\nflags: { express: on, file: a }\nflagging: { deciders: [web] }',
      'mesh.yaml',
      '/etc',
    );
    expect(settings.flags).toEqual({ express: 'on', file: 'a' });
    expect(settings.flagging.deciders).toEqual(['web']);
  });

  it('warns of a file that is missing or wrong, and lets the sidecar start', () => {
    const directory = mkdtempSync(join(tmpdir(), 'flags-'));
    const warnings = () =>
      readSettings(
        'service: { name: web }\nflagging: { file: flags.json }',
        'mesh.yaml',
        directory,
      ).warnings.map(({ at, message }) => `${at}: ${message}`.replaceAll(directory, '.'));
    try {
      expect(warnings()).toEqual([
        'mesh.yaml:2:19: flagging.file ./flags.json is missing: write it, or remove the key',
      ]);
      writeFileSync(join(directory, 'flags.json'), '{"flags": {"a": {"state": "ENABLED", "variants": {}}}}');
      expect(warnings()).toEqual(['./flags.json:1:38: flags.a.variants must have 1 to 32 entries, not {}']);
      writeFileSync(join(directory, 'flags.json'), JSON.stringify({ flags: { a: onOff() } }));
      expect(warnings()).toEqual([]); // control
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('has deciders and testers only where callers prove who they are', () => {
    const text =
      'service: { name: web }\ndiscovery: { static: { services: {} } }\nidentity: none\nflagging: { deciders: [web], testers: [web, gateway] }';
    expect(() => readSettings(text, 'mesh.yaml', '/etc')).toThrow(
      /flagging\.deciders need callers that prove who they are[\s\S]*'gateway' cannot prove who it is/,
    );
  });
});
