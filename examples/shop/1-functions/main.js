// Step 1: three modules and their functions. Nothing is a service yet.
const stock = { oar: 100 };
const reserve = (sku, count) => {
  if (!(stock[sku] >= count)) throw new Error(`only ${stock[sku] ?? 0} of '${sku}' are left`);
  stock[sku] -= count;
  return stock[sku];
};
const charge = (cents) => cents;
const place = (sku, count) => ({ sku, left: reserve(sku, count), cents: charge(count * 250) });

console.log(JSON.stringify(place('oar', 1)));
