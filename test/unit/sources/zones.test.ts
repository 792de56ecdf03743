import { describe, expect, it } from 'vitest';
import { connectAnswer } from '../../../sidecar/consul/answers.ts';
import { addressesOf } from '../../../sidecar/sources/addresses.ts';
import { instance } from '../consul/scripted-agent.ts';

/** The zone of an instance, of whose node and service Consul says so. */
const zoneBy = (node: unknown, proxy: unknown): string | undefined => {
  const entry = instance('10.0.0.7', 15_002) as { Node: object; Service: object };
  Object.assign(entry.Node, { Meta: node });
  Object.assign(entry.Service, { Meta: proxy });
  const [address] = addressesOf('inventory', connectAnswer.parse([entry]), () => {});
  expect(address!.id).toBe('10.0.0.7:15002');
  return address!.zone;
};

describe('the zone of an instance', () => {
  it.each([
    ["its node's", { zone: 'a', other: 'x' }, null, 'a'],
    ["its service's, which is nearer", { zone: 'a' }, { zone: 'b', outrigger: '1' }, 'b'],
    ['none where nobody says', undefined, { version: '2' }, undefined],
    ['none where it is empty', { zone: '' }, { zone: '' }, undefined],
    ['none where it is no word, and the instance is used', { zone: 7 }, { zone: ['a'] }, undefined],
    ['none where it is too long', { zone: 'z'.repeat(129) }, 'zone', undefined],
  ])('is %s', (_, node, proxy, zone) => {
    expect(zoneBy(node, proxy)).toBe(zone);
  });
});
