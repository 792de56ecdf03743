import { describe, expect, it } from 'vitest';
import { Code, MeshError, Metadata } from '../../../sdk/index.ts';
import { meshErrorOf } from '../../../sdk/mesh-error.ts';
import { far, meshAt, Shop } from './stage.ts';

const facts = { service: 'shop', method: '/shop.v1.Shop/Take', correlationId: 'req-1' };
const failed = (trailers: Record<string, string>, code: number = Code.UNAVAILABLE): MeshError =>
  meshErrorOf({ code, message: 'no', trailers: new Metadata(trailers) }, '127.0.0.1:15001', facts);

describe('a MeshError', () => {
  it.each([
    ['the app', {}, 'peer', true],
    ['a connection that broke under the call', { 'x-outrigger-from': 'wire' }, 'wire', true],
    [
      'a connection that could not be made',
      { 'x-outrigger-from': 'wire', 'x-outrigger-reached': 'false' },
      'wire',
      false,
    ],
    ['a rule of the mesh', { 'x-outrigger-from': 'mesh', 'x-outrigger-reached': 'false' }, 'mesh', false],
    ['a sidecar that says no more', { 'x-outrigger-reached': 'false' }, 'mesh', false],
  ] as const)('says that %s decided', (_, trailers, decidedBy, reached) => {
    expect(failed(trailers)).toMatchObject({ decidedBy, reached, ...facts });
  });

  it('has attempts, endpoint, and where the time went', () => {
    const error = failed(
      {
        'x-outrigger-attempts': '3',
        'x-outrigger-endpoint': '10.0.0.7:15002',
        'x-outrigger-ledger': 'orders;app=250,web>orders;connect=30;peer=260',
      },
      Code.DEADLINE_EXCEEDED,
    );
    expect(error).toMatchObject({ attempts: 3, endpoint: '10.0.0.7:15002' });
    expect(error.ledger.map(({ from, to, there }) => [from, to, there])).toEqual([
      ['orders', '', 250],
      ['web', 'orders', 260],
    ]);
    expect(error.spent).toBe("the app of 'orders': 250 of 290 ms");
    expect(error.explain().split('\n')).toEqual([
      "DEADLINE_EXCEEDED: no; most of the time went to the app of 'orders': 250 of 290 ms",
      '  the app at the far end answered so',
      "  called: /shop.v1.Shop/Take of 'shop'",
      '  attempts: 3, the latest at 10.0.0.7:15002',
      '  time: orders  app 250 ms',
      '  time: web>orders  connect 30 ms, peer 260 ms',
      '  correlation id: req-1',
    ]);
  });

  it('is logged with what is known, and no stack', () => {
    expect(JSON.parse(JSON.stringify(failed({})))).toEqual({
      ...facts,
      name: 'MeshError',
      code: 'UNAVAILABLE',
      message: 'no',
      decidedBy: 'peer',
      reached: true,
      attempts: 0,
      endpoint: '',
      spent: '',
    });
  });
});

describe('rich details of an error', () => {
  const details = [
    { type: 'google.rpc.BadRequest', fieldViolations: [{ field: 'sku', description: 'is empty' }] },
    { type: 'google.rpc.ErrorInfo', reason: 'NO_SKU', domain: 'shop', metadata: { shelf: '4' } },
    { type: 'shop.v1.Own', value: Buffer.from('octets') },
  ];

  it('reach the caller decoded; of a type that is not known, as octets', async () => {
    const server = await far({
      take: () => {
        throw new MeshError(Code.INVALID_ARGUMENT, 'no sku', { details });
      },
    });
    const shop = (await meshAt(server)).client(Shop, 'shop');
    const error = await shop.take({ sku: '' }).catch((thrown: unknown) => thrown as MeshError);
    expect(error).toMatchObject({ code: Code.INVALID_ARGUMENT, message: 'no sku' });
    expect((error as MeshError).details).toEqual(details);
  });

  it('that cannot be written are a failure of whoever serves, and hang nobody', async () => {
    const server = await far({
      take: () => {
        throw new MeshError(Code.INVALID_ARGUMENT, 'no sku', { details: [{ type: 'shop.v1.Own' }] });
      },
    });
    const shop = (await meshAt(server)).client(Shop, 'shop');
    await expect(shop.take({ sku: '' })).rejects.toMatchObject({ code: Code.UNKNOWN, details: [] });
  });

  it('that are no details are none', () => {
    const trailers = new Metadata({ 'grpc-status-details-bin': Buffer.from([255, 255]) });
    expect(meshErrorOf({ code: 3, message: '', trailers }, '', facts).details).toEqual([]);
  });
});

it('of another copy of the package is a MeshError too: its code is told as it is', async () => {
  const other = (await import(
    '../../../sdk/mesh-error.ts?copy' as string
  )) as typeof import('../../../sdk/mesh-error.ts');
  expect(other.MeshError).not.toBe(MeshError);
  const server = await far({
    take: () => {
      throw new other.MeshError(Code.NOT_FOUND, 'no such sku');
    },
  });
  const shop = (await meshAt(server)).client(Shop, 'shop');
  await expect(shop.take({ sku: '' })).rejects.toMatchObject({
    code: Code.NOT_FOUND,
    message: 'no such sku',
  });
  expect(new other.MeshError(Code.NOT_FOUND, '')).toBeInstanceOf(MeshError);
  for (const value of [new Error('no'), null, 'no', {}]) expect(value).not.toBeInstanceOf(MeshError);
});
