import { describe, expect, it } from 'vitest';
import { ConsulError } from '../../../sidecar/consul/errors.ts';
import { ownZone } from '../../../sidecar/consul/own-zone.ts';
import { settled } from '../../support/calls.ts';
import { stillKit } from '../../support/kit.ts';

type Answers = Readonly<Record<string, unknown>>;

/** The zone by an agent that gives these answers; null: it is away. Refused is what it has no answer for. */
const zoneBy = async (...turns: (Answers | null)[]) => {
  const kit = stillKit();
  const asked: string[] = [];
  const look = async (path: string) => {
    asked.push(path);
    const answers = path === '/agent/self' && turns.length > 1 ? turns.shift()! : turns[0]!;
    if (answers === null) throw new ConsulError('refused', 'away');
    return path in answers
      ? { status: 200, text: JSON.stringify(answers[path]), date: null }
      : { status: 403, text: 'Permission denied', date: null };
  };
  let zone: string | undefined;
  const found = ownZone({ look }, kit, new AbortController().signal).then((said) => (zone = said));
  for (let tries = 0; zone === undefined && tries < 20; tries++) {
    await settled();
    kit.pass(1000);
  }
  await found;
  expect(kit.wheel.size).toBe(0);
  return { zone, asked };
};

const checks = { c1: { Node: 'n1' } };

describe('our own zone', () => {
  it("is the agent's, of one question", async () => {
    const { zone, asked } = await zoneBy({ '/agent/self': { Meta: { zone: 'a' } } });
    expect(zone).toBe('a');
    expect(asked).toEqual(['/agent/self']);
  });

  it('is found by what any service may read, where the token must not look at the agent', async () => {
    const node = { Node: { Meta: { zone: 'b' } } };
    expect((await zoneBy({ '/agent/checks': checks, '/catalog/node/n1': node })).zone).toBe('b');
  });

  it('is awaited while Consul is away, no check is there yet, or the catalog knows no meta of the node', async () => {
    const node = { Node: { Meta: { zone: 'c' } } };
    const { zone } = await zoneBy(
      null,
      { '/agent/checks': {} },
      { '/agent/checks': checks, '/catalog/node/n1': { Node: { Meta: null } } },
      { '/agent/checks': checks, '/catalog/node/n1': node },
    );
    expect(zone).toBe('c');
  });

  it('is none where the node has none', async () => {
    expect((await zoneBy({ '/agent/self': { Meta: null } })).zone).toBe('');
    expect((await zoneBy({ '/agent/self': { Meta: { zone: 7 } } })).zone).toBe('');
  });
});
