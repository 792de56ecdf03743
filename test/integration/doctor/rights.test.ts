import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import { proveRights } from '../../../sidecar/consul/rights.ts';
import { type StartOptions, startSidecar } from '../../../sidecar/index.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { type AclConsul, rulesOf, startAclConsul } from '../../support/acl-consul.ts';
import { clinic, webOn } from '../../support/doctor.ts';
import { eventually } from '../../support/eventually.ts';
import { stillKit } from '../../support/kit.ts';
import { consulVersion, startRealConsul } from '../../support/real-consul.ts';

const version = consulVersion();
if (version === null) console.log('consul is not on PATH: rights are not proved with a real one');

const { examine, folder, keep } = clinic();
const { signal } = new AbortController();
const rules = rulesOf('web');
/** What is left of them when one is taken away, in an order that does not matter. */
const without = (rule: string): string[] => rules.filter((one) => one !== rule);

describe.skipIf(version === null)('rights, with ACLs and default deny', () => {
  let consul: AclConsul;
  beforeAll(async () => {
    consul = await startAclConsul();
  });
  afterAll(() => consul?.close());

  const missing = async (token: string, service: string | null = 'web'): Promise<string[]> => {
    const door = keep(openConsul({ url: consul.url, token }, stillKit()));
    return (await proveRights({ door, service, registers: service !== null }, signal)).map(
      ({ rule }) => rule,
    );
  };
  const tokenFile = (token: string): string => {
    const file = join(folder, 'token');
    writeFileSync(file, `${token}\n`);
    return file;
  };
  const text = (file: string): string =>
    webOn(`${consul.url}, token-file: ${file}`).replace('{ echo: 127.0.0.1:0 }', '{}');

  it("lack nothing with README.md's token, nor with these rules written out", async () => {
    expect(await missing(await consul.tokenFor('web'))).toEqual([]);
    expect(await missing(await consul.tokenWith(rules))).toEqual([]);
    expect(await missing(consul.management)).toEqual([]);
  });

  it.each(rules)('name the rule that was taken away: %s', async (rule) => {
    expect(await missing(await consul.tokenWith(without(rule)))).toEqual([rule]);
  });

  it('lack all of them without a token', async () => {
    expect((await missing('')).sort()).toEqual([...rules].sort());
  });

  it.each(rules.filter((rule) => !rule.includes('sidecar-proxy')))(
    'are missed by the doctor: %s',
    async (rule) => {
      const { code, causes, remedies } = await examine(
        text(tokenFile(await consul.tokenWith(without(rule)))),
      );
      expect([code, causes.length]).toEqual([1, 1]);
      expect(causes[0]).toContain(`rights: the ACL token from ${folder}/token lacks ${rule}: `);
      expect(remedies[0]).toMatch(/consul acl token update -id [0-9a-f-]{36} -merge-/);
    },
  );

  it('are whole for the doctor, none without a token, and nothing with one that Consul does not know', async () => {
    expect((await examine(text(tokenFile(await consul.tokenFor('web'))))).causes).toEqual([]);
    const { causes } = await examine(webOn(consul.url).replace('{ echo: 127.0.0.1:0 }', '{}'));
    expect(causes).toContain(`rights: Consul at ${consul.url} asks for an ACL token, and there is none`);
    const wrong = await examine(text(tokenFile('00000000-1111-2222-3333-444444444444')));
    expect(wrong.causes).toEqual([
      `token: Consul at ${consul.url} does not know the ACL token from ${folder}/token`,
    ]);
  });

  it('keep a sidecar from being ready, with the rule as the reason, until the token file has a better one', async () => {
    const rule = 'node_prefix "" { policy = "read" }';
    const file = tokenFile(await consul.tokenWith(without(rule)));
    const said: string[] = [];
    const say = (_: object, message: string): void => void said.push(message);
    const log: StartOptions['log'] = { debug: () => {}, info: say, warn: say, error: say } as never;
    const sidecar = keep(await startSidecar(readSettings(text(file), 'mesh.yaml', folder).settings, { log }));
    const reason = `the ACL token lacks ${rule}: peers are not found; add the rule to a policy of the token`;
    await eventually(() => sidecar.notReady().includes(reason));
    expect(said).toContain(reason);
    tokenFile(await consul.tokenFor('web'));
    await sidecar.ready;
    expect(said).toContain('the ACL token has all rules now');
    // A sidecar that works goes on when rights are taken from it.
    tokenFile(await consul.tokenWith(without(rule)));
    await eventually(() => said.filter((one) => one === reason).length === 2);
    expect(sidecar.notReady()).toEqual([]);
    rmSync(file);
  });

  it('come from CONSUL_HTTP_TOKEN, where no file is named', async () => {
    const plain = webOn(consul.url).replace('{ echo: 127.0.0.1:0 }', '{}');
    const token = await consul.tokenFor('web');
    expect((await examine(plain, { env: { CONSUL_HTTP_TOKEN: token } })).causes).toEqual([]);
    const { settings } = readSettings(plain, 'mesh.yaml', folder);
    await keep(await startSidecar(settings, { consulToken: token })).ready;
  });
});

describe.skipIf(version === null)('a real Consul', () => {
  it('without Connect is found out', async () => {
    const consul = keep(await startRealConsul({ hcl: 'connect { enabled = false }' }));
    const { causes, remedies } = await examine(webOn(consul.url).replace('{ echo: 127.0.0.1:0 }', '{}'));
    expect(causes).toEqual([`connect: Connect is off in Consul at ${consul.url}: there are no certificates`]);
    expect(remedies).toEqual(['connect { enabled = true } on every server, then restart them one by one']);
  });
});
