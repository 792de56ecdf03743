/** The member of baggage in which a call carries how many services it has come through; apps forward it. */
const name = 'outrigger.hops';
const members = /(?:^|,)[ \t]*outrigger\.hops[ \t]*=[ \t]*([^,; \t]*)[^,]*/g;
const whole = /^[0-9]{1,4}$/;

/** How many services the call has come through, as its baggage says; the most, when it says it twice. */
export const hopsIn = (baggage: string): number => {
  if (!baggage.includes(name)) return 0;
  let most = 0;
  for (const [, value = ''] of baggage.matchAll(members))
    if (whole.test(value)) most = Math.max(most, Number(value));
  return most;
};

/**
 * `baggage` with so many hops `more`, and with their number in front: what is too long is cut off at the end, and a
 * count that was cut off would begin again.
 */
export const withHops = (baggage: string, more: number): string => {
  if (!baggage.includes(name)) {
    if (more === 0) return baggage;
    return baggage === '' ? `${name}=${more}` : `${name}=${more},${baggage}`;
  }
  const others = baggage.replace(members, '').replace(/^,/, '');
  const counted = `${name}=${hopsIn(baggage) + more}`;
  return others === '' ? counted : `${counted},${others}`;
};
