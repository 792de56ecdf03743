/** Payments: takes every sum. */
export const makePayments = () => ({
  charge: ({ cents }) => ({ cents }),
});
