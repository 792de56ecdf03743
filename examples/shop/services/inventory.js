import { EventEmitter, on } from 'node:events';
import { Code, MeshError } from 'outrigger';

/** The inventory: `stock` is sku to pieces. */
export const makeInventory = (stock) => {
  const changes = new EventEmitter().setMaxListeners(0);
  const reserved = new Map();
  const leftOf = (sku) => {
    if (!(sku in stock)) throw new MeshError(Code.NOT_FOUND, `there is no '${sku}'`);
    return stock[sku];
  };
  return {
    reserve({ sku, count, reservation }) {
      const left = leftOf(sku);
      if (reservation !== '' && reserved.has(reservation)) return reserved.get(reservation);
      if (count < 1)
        throw new MeshError(Code.INVALID_ARGUMENT, 'count must be at least 1', {
          details: [
            {
              type: 'google.rpc.BadRequest',
              fieldViolations: [{ field: 'count', description: 'must be at least 1' }],
            },
          ],
        });
      if (count > left) throw new MeshError(Code.FAILED_PRECONDITION, `only ${left} of '${sku}' are left`);
      stock[sku] = left - count;
      changes.emit(sku, stock[sku]);
      const answer = { left: stock[sku] };
      if (reservation !== '') reserved.set(reservation, answer);
      return answer;
    },

    async *watch({ sku }, call) {
      const heard = on(changes, sku, { signal: call.signal });
      yield { left: leftOf(sku) };
      for await (const [left] of heard) yield { left };
    },
  };
};
