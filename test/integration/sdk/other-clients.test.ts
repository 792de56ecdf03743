import 'reflect-metadata';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import { ClientProxyFactory, Transport } from '@nestjs/microservices';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { BasicTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { createChannel, createClient, createClientFactory } from 'nice-grpc';
import { firstValueFrom, from, lastValueFrom, type Observable, toArray } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Code, connect, type InboundCall, type Mesh, MeshError, Metadata } from '../../../sdk/index.ts';
import { ShopClient, ShopService } from '../../support/generated/shop_ts_proto.ts';
import { type ShopMesh, shopMesh } from '../../support/shop-mesh.ts';
import { far, type Item, type Left, later, near, rawTake } from '../../unit/sdk/stage.ts';

/** An app behind its sidecar, and the sidecar of whoever calls it. */
const shop = async (methods: Parameters<typeof far>[0] = {}): Promise<ShopMesh> => {
  const mesh = await shopMesh((await far(methods)).port);
  later(() => mesh.close());
  return mesh;
};

const sdkAt = async ({ caller }: ShopMesh): Promise<Mesh> => {
  const mesh = await connect({ sidecar: caller.ports.app });
  later(() => mesh.close());
  return mesh;
};

describe('nice-grpc, unmodified', () => {
  it('makes all four kinds of calls through mesh.target', async () => {
    const target = (await sdkAt(await shop())).target('shop');
    const channel = createChannel(target[0], target[1], target[2]);
    later(() => channel.close());
    const client = createClient(ShopService, channel);
    expect(await client.take({ sku: 'oar', number: 0 })).toEqual({ sku: 'oar', left: 1 });
    expect(
      await client.takeAll(
        (async function* () {
          yield { sku: 'a', number: 2 };
          yield { sku: 'b', number: 5 };
        })(),
      ),
    ).toMatchObject({ left: 7 });
    const watched: number[] = [];
    for await (const { left } of client.watch({ sku: 'oar', number: 0 })) watched.push(left);
    expect(watched).toEqual([3, 2, 1]);
    const counted: string[] = [];
    for await (const { sku } of client.count(
      (async function* () {
        yield { sku: 'oar', number: 0 };
      })(),
    ))
      counted.push(sku);
    expect(counted).toEqual(['oar']);
  });

  it('hears of an error and of a deadline as it would without a mesh', async () => {
    const mesh = await shop({
      take: ({ sku }) => {
        if (sku === 'none') throw new MeshError(Code.NOT_FOUND, 'no such sku');
        return new Promise<Left>(() => {});
      },
    });
    const channel = createChannel(mesh.upstream);
    later(() => channel.close());
    const client = createClientFactory().create(ShopService, channel);
    await expect(client.take({ sku: 'none', number: 0 })).rejects.toMatchObject({
      code: 5,
      details: 'no such sku',
    });
    const signal = AbortSignal.timeout(100);
    await expect(client.take({ sku: 'oar', number: 0 }, { signal })).rejects.toThrow(/abort/i);
  });
});

describe("NestJS's gRPC client, unmodified", () => {
  interface NestShop {
    take(item: Item): Observable<Left>;
    watch(item: Item): Observable<Left>;
    count(items: Observable<Item>): Observable<Left>;
  }

  it('calls through a port of the sidecar that stands for the service, streams included', async () => {
    const { upstream } = await shop();
    const client = ClientProxyFactory.create({
      transport: Transport.GRPC,
      options: {
        package: 'shop.v1',
        protoPath: join(import.meta.dirname, '../../support/shop.proto'),
        url: upstream,
      },
    });
    later(() => client.close());
    const nest = (client as unknown as { getService(name: string): NestShop }).getService('Shop');
    expect(await firstValueFrom(nest.take({ sku: 'oar' }))).toMatchObject({ left: 1 });
    const watched = await lastValueFrom(nest.watch({ sku: 'oar' }).pipe(toArray()));
    expect(watched.map(({ left }) => left)).toEqual([3, 2, 1]);
    const counted = await lastValueFrom(
      nest.count(from([{ sku: 'oar' }, { sku: 'paddle' }])).pipe(toArray()),
    );
    expect(counted.map(({ left }) => left)).toEqual([3, 6]);
  });
});

describe('a stub that was generated for grpc-js', () => {
  it('calls by mesh.target inside the context of the call being served', async () => {
    const seen: InboundCall[] = [];
    const mesh = await sdkAt(
      await shop({
        take: ({ sku }, call) => {
          seen.push(call);
          return { sku, left: 4 };
        },
      }),
    );
    const stub = new ShopClient(...mesh.target('shop'));
    later(() => stub.close());
    const app = await near(mesh, {
      take: (item) =>
        new Promise<Left>((resolve, reject) =>
          stub.take({ sku: item.sku, number: 0 }, (error, left) =>
            error === null ? resolve(left) : reject(error),
          ),
        ),
    });
    const metadata = new Metadata({ 'x-request-id': 'order-7', baggage: 'ff.express=on' });
    expect((await rawTake(app, metadata, { deadline: Date.now() + 5000 }).reply).left).toBe(4);
    expect(seen[0]).toMatchObject({ correlationId: 'order-7', caller: 'web' });
    expect(seen[0]!.flags.boolean('express', false)).toBe(true);
    expect(seen[0]!.remainingMs()).toBeLessThan(5000);
  });

  it('is cancelled with the call being served, and not by its answer', async () => {
    const begun: Promise<unknown>[] = [];
    let stopped = 0;
    const mesh = await sdkAt(
      await shop({
        take: (_, call) =>
          new Promise<Left>(() => {
            call.signal.addEventListener('abort', () => void stopped++);
            wake();
          }),
      }),
    );
    let wake = (): void => {};
    const arrived = new Promise<void>((resolve) => (wake = resolve));
    const stub = new ShopClient(...mesh.target('shop'));
    later(() => stub.close());
    const app = await near(mesh, {
      take: (item) => {
        const call = new Promise<Left>((resolve, reject) =>
          stub.take({ sku: item.sku, number: 0 }, (error, left) =>
            error === null ? resolve(left) : reject(error),
          ),
        );
        begun.push(call.catch((error: grpc.ServiceError) => error));
        return call;
      },
    });
    const call = rawTake(app, new Metadata());
    await arrived;
    call.cancel();
    await expect(call.reply).rejects.toMatchObject({ code: grpc.status.CANCELLED });
    expect(await begun[0]).toMatchObject({ code: grpc.status.CANCELLED });
    while (stopped === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

describe("OpenTelemetry's OTLP exporter, unmodified", () => {
  it('sends its spans to a collector through a port of the sidecar', async () => {
    const exported: { octets: number; caller: unknown }[] = [];
    const collector = new grpc.Server();
    const asTheyAre = (octets: Buffer): Buffer => octets;
    collector.addService(
      {
        Export: {
          path: '/opentelemetry.proto.collector.trace.v1.TraceService/Export',
          ...{ requestStream: false, responseStream: false },
          ...{ requestSerialize: asTheyAre, requestDeserialize: asTheyAre },
          ...{ responseSerialize: asTheyAre, responseDeserialize: asTheyAre },
        },
      },
      {
        Export: (call: grpc.ServerUnaryCall<Buffer, Buffer>, answer: grpc.sendUnaryData<Buffer>) => {
          exported.push({ octets: call.request.length, caller: call.metadata.get('x-outrigger-caller')[0] });
          answer(null, Buffer.alloc(0));
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      collector.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    later(() => collector.forceShutdown());
    const mesh = await shopMesh(port);
    later(() => mesh.close());
    const exporter = new OTLPTraceExporter({ url: `http://${mesh.upstream}` });
    const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
    provider.getTracer('test').startSpan('a span').end();
    await provider.forceFlush();
    await provider.shutdown();
    expect(exported).toEqual([{ octets: expect.any(Number), caller: 'web' }]);
    expect(exported[0]!.octets).toBeGreaterThan(50);
  });
});
