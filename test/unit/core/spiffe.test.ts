import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { certificateSpiffe, readSpiffe } from '../../../sidecar/core/spiffe.ts';
import { createAuthority } from '../../../sidecar/identity/development-ca.ts';

describe('readSpiffe', () => {
  it('takes the service out of Consul’s form in the default namespace, in any datacenter', () => {
    const uri = 'spiffe://1-2.consul/ns/default/dc/dc1/svc/orders';
    expect(readSpiffe(uri)).toEqual({ uri, trustDomain: '1-2.consul', service: 'orders' });
    expect(readSpiffe('spiffe://td/ns/default/dc/dc2/svc/orders')!.service).toBe('orders');
    expect(readSpiffe('spiffe://td/ap/default/ns/default/dc/dc1/svc/orders')!.service).toBe('orders');
  });

  it.each([
    'ns/other/dc/dc1/svc/orders',
    'ap/x/ns/default/dc/dc1/svc/orders',
    'ap/default/ns/other/dc/dc1/svc/orders',
    'ns/default/dc/dc1/svc/orders/x',
    'x/ns/default/dc/dc1/svc/orders',
  ])('does not take %s for the service of the default namespace', (path) => {
    expect(readSpiffe(`spiffe://td/${path}`)!.service).toBe(path);
  });

  it('takes the whole path of any other id, so that no two pass for each other', () => {
    expect(readSpiffe('spiffe://td/orders')!.service).toBe('orders');
    expect(readSpiffe('spiffe://td/ns/prod/sa/orders')!.service).toBe('ns/prod/sa/orders');
    expect(readSpiffe('spiffe://td/x/default/dc/dc1/svc/orders')!.service).toBe(
      'x/default/dc/dc1/svc/orders',
    );
  });

  it.each([
    '',
    'spiffe://',
    'spiffe://td',
    'spiffe://td/',
    'spiffe:///orders',
    'SPIFFE://td/orders',
    'https://td/orders',
    'spiffe://TD/orders',
    'spiffe://td:443/orders',
    'spiffe://user@td/orders',
    'spiffe://td/orders/',
    'spiffe://td//orders',
    'spiffe://td/./orders',
    'spiffe://td/a/../orders',
    'spiffe://td/orders?x=1',
    'spiffe://td/orders#x',
    'spiffe://td/ord%65rs',
    'spiffe://td/ordérs',
    'spiffe://td/or ders',
    'spiffe://td/orders\n',
    'spiffe://td/orders\0',
    `spiffe://td/${'x'.repeat(2048)}`,
    `spiffe://${'t'.repeat(256)}/orders`,
  ])('refuses %j', (uri) => {
    expect(readSpiffe(uri)).toBeNull();
  });
});

describe('certificateSpiffe', () => {
  const names = async (uris: string[]): Promise<string | undefined> =>
    new X509Certificate((await (await createAuthority()).issue({ uris })).certificate).subjectAltName;

  it('reads what Node says of a certificate', async () => {
    const authority = await createAuthority({ trustDomain: 'td.consul' });
    const leaf = new X509Certificate((await authority.issue({ service: 'orders' })).certificate);
    expect(certificateSpiffe(leaf.subjectAltName)).toMatchObject({
      id: { service: 'orders', trustDomain: 'td.consul' },
    });
  });

  it('finds the URI among other names', () => {
    expect(certificateSpiffe('DNS:orders, URI:spiffe://td/orders, IP Address:10.0.0.1')).toMatchObject({
      id: { service: 'orders' },
    });
  });

  it('refuses a certificate without an id, with two, or with one that is none', async () => {
    expect(certificateSpiffe(undefined)).toEqual({ why: 'it holds no SPIFFE id' });
    expect(certificateSpiffe(await names([]))).toEqual({ why: 'it holds no SPIFFE id' });
    expect(certificateSpiffe(await names(['spiffe://td/a', 'spiffe://td/b']))).toEqual({
      why: 'it holds 2 URIs, not one',
    });
    expect(certificateSpiffe(await names(['https://td/a']))).toEqual({
      why: "'https://td/a' is not a SPIFFE id",
    });
  });

  it('is not taken in by a name that contains another', async () => {
    // Node quotes such a name; without quotes it would be read as two.
    expect(certificateSpiffe('DNS:"a, URI:spiffe://td/admin"')).toEqual({ why: 'it holds no SPIFFE id' });
    expect(certificateSpiffe(await names(['spiffe://td/a, URI:spiffe://td/admin']))).toHaveProperty('why');
    expect(certificateSpiffe('URI:spiffe://td/a"')).toEqual({ why: 'its names cannot be read' });
  });
});
