import { describe, expect, it } from 'vitest';
import { connectAnswer } from '../../../sidecar/consul/answers.ts';
import { addressesOf } from '../../../sidecar/sources/addresses.ts';

/** What is read of an instance with this metadata. */
const contractOf = (meta: unknown): string | undefined => {
  const entries = connectAnswer.parse([
    {
      Node: { Address: '10.0.0.1' },
      Service: {
        ID: 'echo-1',
        Service: 'echo-sidecar-proxy',
        Kind: 'connect-proxy',
        Port: 15002,
        Proxy: { DestinationServiceName: 'echo' },
        ...(meta !== undefined && { Meta: meta }),
      },
    },
  ]);
  const [address] = addressesOf('echo', entries, () => {});
  expect(address).toMatchObject({ id: '10.0.0.1:15002', service: 'echo' });
  return address!.contract;
};

describe('the contract of an instance', () => {
  it('stands in its metadata', () => {
    expect(contractOf({ outrigger: '1', 'outrigger-contract': '0123456789abcdef'.repeat(2) })).toBe(
      '0123456789abcdef0123456789abcdef',
    );
  });

  it.each([
    ['no metadata', undefined],
    ['none', null],
    ['no contract', { outrigger: '1' }],
    ['a word that is no hash', { 'outrigger-contract': '../../secret' }],
    ['a hash that is too long', { 'outrigger-contract': 'f'.repeat(64) }],
    ['a number', { 'outrigger-contract': 7 }],
    ['metadata that are a list', ['outrigger-contract']],
  ])('is none of one with %s, and it is called all the same', (_, meta) => {
    expect(contractOf(meta)).toBeUndefined();
  });
});
