// What the three services are, and who implements them. Nothing here knows where they run.
import { join } from 'node:path';
import { definition } from 'outrigger';
import { makeInventory } from './services/inventory.js';
import { makeOrders } from './services/orders.js';
import { makePayments } from './services/payments.js';

const service = (name) => definition(join(import.meta.dirname, 'shop.proto'), `shop.v1.${name}`);

export const Orders = service('Orders');
export const Inventory = service('Inventory');
export const Payments = service('Payments');

/** Clients of all three: the same lines, wherever they run. */
export const clientsOf = (mesh) => ({
  orders: mesh.client(Orders, 'orders'),
  inventory: mesh.client(Inventory, 'inventory'),
  payments: mesh.client(Payments, 'payments'),
});

/** Hosts all three in this process; which of them are called here is for the settings to say. */
export const hostShop = async (mesh, stock = { oar: 100, paddle: 3 }) => {
  const { inventory, payments } = clientsOf(mesh);
  await mesh.host(Inventory, 'inventory', makeInventory(stock));
  await mesh.host(Payments, 'payments', makePayments());
  await mesh.host(Orders, 'orders', makeOrders({ inventory, payments }));
};
