import { join } from 'node:path';
import { protoFolder } from '../../../sdk/grpc/load.ts';
import { type Definition, definition } from '../../../sdk/index.ts';

/** What the storefront calls, besides receipts. */
export interface Orders {
  place(request: { sku: string; pieces: number }): Promise<{
    reservedBy: string;
    paidCents: number;
    express: boolean;
  }>;
  browse(request: { sku: string }): AsyncIterable<{ left: number }>;
  fill(requests: AsyncIterable<{ sku: string }>): AsyncIterable<{ sku: string; left: number }>;
}

/** What orders call; two instances. */
export interface Inventory {
  reserve(request: { sku: string; pieces: number }): Promise<{ instance: string; left: number }>;
  watch(request: { sku: string }): AsyncIterable<{ left: number }>;
  count(requests: AsyncIterable<{ sku: string }>): AsyncIterable<{ sku: string; left: number }>;
}

/** What orders and the storefront call. */
export interface Payments {
  charge(request: { cents: number }): Promise<{ cents: number }>;
  receipt(request: object): Promise<{ charges: number }>;
}

/** How the demo directs an app. */
export interface Stage {
  play(request: { callsPerSecond: number }): Promise<object>;
  pause(request: object): Promise<{ calls: UserCall[] }>;
  behave(request: { unavailable?: boolean; lateMs?: number }): Promise<object>;
}

/** One call that a user of the storefront made. */
export interface UserCall {
  readonly id: string;
  /** Service and method, such as `orders/Place`. */
  readonly what: string;
  /** Name of the status code. */
  readonly code: string;
  /** Milliseconds since 1970, with fractions. */
  readonly beganAt: number;
  readonly tookMs: number;
  /** False when the mesh says that the call never reached an app. */
  readonly reached: boolean;
  readonly message: string;
}

/** What methods of the demo's services begin with on the wire. */
export const packageName = 'outrigger.demo.v1';

const demoService = <S>(name: string): Definition<S> =>
  definition<S>(
    join(protoFolder(), 'outrigger/demo/v1', `${name.toLowerCase()}.proto`),
    `${packageName}.${name}`,
  );

/** Definition of the orders service. */
export const ordersDefinition = (): Definition<Orders> => demoService('Orders');
/** Definition of the inventory service. */
export const inventoryDefinition = (): Definition<Inventory> => demoService('Inventory');
/** Definition of the payments service. */
export const paymentsDefinition = (): Definition<Payments> => demoService('Payments');
/** Definition of the stage. */
export const stageDefinition = (): Definition<Stage> => demoService('Stage');
