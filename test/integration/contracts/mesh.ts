import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as grpc from '@grpc/grpc-js';
import * as loader from '@grpc/proto-loader';
import { writeFileSet } from '../../../sidecar/core/descriptors.ts';
import type { Log } from '../../../sidecar/core/log.ts';
import { methodPolicy, policyOf } from '../../../sidecar/core/policy.ts';
import { type Sidecar, startSidecar } from '../../../sidecar/index.ts';
import { readSettings } from '../../../sidecar/settings/load.ts';
import { type ReflectingOptions, reflectingServer } from '../../support/reflecting-server.ts';

/** An instance of `inventory` with its sidecar. */
export interface Shop {
  readonly sidecar: Sidecar;
  /** Puts another app in the place of this one, at the same port. */
  replace(words: ShopWords): Promise<void>;
  close(): Promise<void>;
}

/** How an instance differs. */
export interface ShopWords {
  /** `service.contract`; absent: the default. */
  readonly contract?: string;
  /** The text of its .proto file, made of that of the test. */
  readonly proto?: (text: string) => string;
  readonly reflection?: ReflectingOptions['reflection'];
  readonly meta?: Readonly<Record<string, string>>;
}

/** Meshes of `inventory` that live in one agent. */
export interface Shops {
  open(words?: ShopWords): Promise<Shop>;
  /** A sidecar that calls, and a client of it. */
  caller(words?: object, log?: Log): Promise<Caller>;
  close(): Promise<void>;
}

/** Who calls `inventory`. */
export interface Caller {
  readonly sidecar: Sidecar;
  call(method: string): Promise<grpc.status>;
  /** What is known of a method, and of whom: `unary idempotent by contract of inventory 3f2a91c0…`; empty: nothing. */
  known(method: string): string;
}

const free = '127.0.0.1:0';
const standard = new URL('shop.proto', import.meta.url);

/** The descriptor set of a .proto file, as its compiler writes it. */
export const descriptorSet = (proto: string): Buffer => {
  const types = loader.loadSync(proto, {});
  const { fileDescriptorProtos } = types['shop.Item'] as loader.MessageTypeDefinition<object, object>;
  return writeFileSet(fileDescriptorProtos);
};

/** Opens shops in the mesh of the agent at `url`. */
export const shopsAt = async (url: string): Promise<Shops> => {
  const folder = await mkdtemp(join(tmpdir(), 'contracts-'));
  const closing: { close(): unknown }[] = [];
  const keep = <T extends { close(): unknown }>(each: T): T => {
    closing.push(each);
    return each;
  };
  const start = async (settings: object, log?: Log): Promise<Sidecar> => {
    const text = JSON.stringify({ discovery: { consul: { url } }, 'state-dir': 'none', ...settings });
    const loaded = readSettings(text, 'mesh.yaml', folder).settings;
    return keep(await startSidecar(loaded, log === undefined ? {} : { log }));
  };
  let files = 0;
  const openApp = async ({ proto = (text) => text, reflection }: ShopWords, port = 0) => {
    const path = join(folder, `shop-${files++}.proto`);
    await writeFile(path, proto(await readFile(standard, 'utf8')));
    const services = { 'shop.Inventory': implementation };
    const app = await reflectingServer({ proto: path, port, services, ...(reflection && { reflection }) });
    return { app: keep(app), path, port: Number(app.address.split(':')[1]) };
  };
  const open = async (words: ShopWords = {}): Promise<Shop> => {
    const { contract, meta } = words;
    let { app, path, port } = await openApp(words);
    if (contract?.endsWith('.binpb')) await writeFile(join(folder, contract), descriptorSet(path));
    const sidecar = await start({
      service: { name: 'inventory', port, ...(contract && { contract }), ...(meta && { meta }) },
      listen: { app: free, peers: free, admin: free, control: 'none' },
    });
    await sidecar.ready;
    return {
      sidecar,
      replace: async (other) => {
        app.close();
        ({ app, path } = await openApp(other, port));
      },
      close: async () => {
        await sidecar.close();
        app.close();
      },
    };
  };
  const caller = async (words: object = {}, log?: Log): Promise<Caller> => {
    const sidecar = await start(
      { service: { name: 'web' }, listen: { app: free, admin: free, control: 'none' }, ...words },
      log,
    );
    await sidecar.ready;
    const client = keep(
      new grpc.Client(sidecar.ports.app, grpc.credentials.createInsecure(), {
        'grpc.default_authority': 'inventory',
      }),
    );
    const octets = (value: Buffer): Buffer => value;
    const call = (method: string): Promise<grpc.status> =>
      new Promise((resolve) => {
        client.makeUnaryRequest(method, octets, octets, Buffer.alloc(0), (error) =>
          resolve(error?.code ?? grpc.status.OK),
        );
      });
    const known = (method: string): string => {
      const { unary, idempotent, origins } = methodPolicy(
        policyOf(sidecar.snapshot().policies, 'inventory'),
        method,
      );
      if (origins['unary'] === undefined) return '';
      return `${unary ? 'unary' : 'stream'}${idempotent ? ' idempotent' : ''} by ${origins['unary']}`;
    };
    return { sidecar, call, known };
  };
  const close = async (): Promise<void> => {
    for (const each of closing.splice(0).reverse()) await each.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { open, caller, close };
};

const answer: grpc.handleUnaryCall<object, object> = (_call, reply) => reply(null, {});
const implementation = {
  Get: answer,
  Put: answer,
  Order: answer,
  Watch: (call: grpc.ServerWritableStream<object, object>) => call.end(),
};
