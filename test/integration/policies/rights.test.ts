import { afterEach, describe, expect, it } from 'vitest';
import { openConsul } from '../../../sidecar/consul/door.ts';
import type { Slice } from '../../../sidecar/core/snapshot.ts';
import { readPolicy } from '../../../sidecar/settings/read-policy.ts';
import { policiesSource } from '../../../sidecar/sources/policies-kv.ts';
import { type AclConsul, keyRule, rulesOf, startAclConsul } from '../../support/acl-consul.ts';
import { consulVersion } from '../../support/real-consul.ts';
import { makeKit, until } from '../discovery/live.ts';

const version = consulVersion();
if (version === null) console.log('consul is not on PATH: the right to read policies is not tried');

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** What a sidecar with this token sees of policies, once it has seen something. */
const seenBy = (consul: AclConsul, token: string): Promise<Slice> => {
  const kit = makeKit();
  const door = openConsul({ url: consul.url, token }, kit);
  const stop = new AbortController();
  const read = async (text: string, key: string, service: string) => readPolicy(text, key, service);
  const source = policiesSource({ door, read, kit, signal: stop.signal });
  open.push(() => {
    stop.abort();
    door.close();
  });
  const isSaid = ({ policies, policyFaults }: Slice): boolean =>
    (policies?.length ?? 0) + (policyFaults?.length ?? 0) > 0;
  return until(source.slice, 'policies or a fault', isSaid);
};

describe.skipIf(version === null)(`the right to read policies, on a real Consul ${version}`, () => {
  it('is missed and named, though Consul answers as if there were nothing; with it all is seen', async () => {
    const consul = await startAclConsul();
    open.push(() => consul.close());
    const put = await fetch(`${consul.url}/v1/kv/outrigger/policy/inventory`, {
      method: 'PUT',
      headers: { 'X-Consul-Token': consul.management },
      body: 'timeout: 250ms',
    });
    expect(put.status).toBe(200);
    const rules = rulesOf('web');
    const poor = await consul.tokenWith(rules.filter((rule) => rule !== keyRule));
    const seen = await seenBy(consul, poor);
    expect(seen.policies).toBeUndefined();
    expect(seen).toMatchObject({
      policyFaults: [
        {
          origin: 'kv outrigger/policy/',
          problem:
            'the ACL token may not read it, and what was known holds: add key_prefix "outrigger/" { policy = "read" } to a policy of the token',
        },
      ],
    });
    expect(await seenBy(consul, await consul.tokenWith(rules))).toMatchObject({
      policies: [{ service: 'inventory', words: { timeout: 250 } }],
      policyFaults: [],
    });
  }, 60_000);
});
