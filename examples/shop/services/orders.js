import { randomUUID } from 'node:crypto';

const centsApiece = 250;

/** Orders: calls the other two, and knows of them what their definitions say. */
export const makeOrders = ({ inventory, payments }) => ({
  async place({ sku, count }, call) {
    // The same id, no later deadline, cancelled with this call.
    const { left } = await inventory.reserve({ sku, count, reservation: randomUUID() });
    const { cents } = await payments.charge({ cents: count * centsApiece });
    return { sku, left, cents, express: call.flags.boolean('express', false) };
  },
});
