// What the tests of the examples know of them.
import type { Client, Mesh } from 'outrigger';

interface Orders {
  place(order: {
    sku: string;
    count: number;
  }): Promise<{ sku: string; left: number; cents: number; express: boolean }>;
}
interface Inventory {
  reserve(item: { sku: string; count: number; reservation?: string }): Promise<{ left: number }>;
  watch(item: { sku: string }): AsyncIterable<{ left: number }>;
}
interface Payments {
  charge(payment: { cents: number }): Promise<{ cents: number }>;
}

export declare const clientsOf: (mesh: Mesh) => {
  readonly orders: Client<Orders>;
  readonly inventory: Client<Inventory>;
  readonly payments: Client<Payments>;
};
export declare const hostShop: (mesh: Mesh, stock?: Record<string, number>) => Promise<void>;
