import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forbidden } from '../../../sidecar/core/forbidden.ts';

describe('forbidden', () => {
  it.each([
    '127.0.0.1',
    '10.0.0.1',
    '192.168.1.1',
    '8.8.8.8',
    '::1',
    'fd00::1',
    '2001:db8::1',
    '::ffff:10.0.0.1',
  ])('lets %s be dialled', (address) => expect(forbidden(address)).toBeNull());

  it.each([
    'localhost',
    'inventory',
    'inventory.default.svc.cluster.local',
    'node_1',
    'a-b.example.',
    '1a.example',
  ])('lets the name %s be dialled', (name) => expect(forbidden(name)).toBeNull());

  it.each([
    ['169.254.169.254', 'link-local'],
    ['::ffff:169.254.169.254', 'link-local'],
    ['::ffff:a9fe:a9fe', 'link-local'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['fd00:ec2::254', 'link-local'],
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['224.0.0.1', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'reserved'],
    ['', 'malformed'],
    ['0xA9FEA9FE', 'malformed'],
    ['2852039166', 'malformed'],
    ['169.254.43518', 'malformed'],
    ['0251.0376.0251.0376', 'malformed'],
    ['a.0x7f', 'malformed'],
    ['10.0.0.1/8', 'malformed'],
    ['a b', 'malformed'],
    ['-a', 'malformed'],
    ['/run/app.sock', 'malformed'],
    ['x'.repeat(254), 'malformed'],
    ['169.254.255.255', 'link-local'],
    ['239.255.255.255', 'multicast'],
    ['240.0.0.0', 'reserved'],
  ])('forbids %s: %s', (host, why) => expect(forbidden(host)).toBe(why));

  it.each(['169.253.255.255', '169.255.0.0', '1.0.0.0', '223.255.255.255'])(
    'lets %s be dialled, right beside what is forbidden',
    (address) => expect(forbidden(address)).toBeNull(),
  );

  it('says the same of an IPv4 address in IPv6 clothes', () => {
    fc.assert(
      fc.property(fc.ipV4(), (address) => {
        expect(forbidden(address)).toBe(forbidden(`::ffff:${address}`));
      }),
      { numRuns: 2000 },
    );
  });
});
