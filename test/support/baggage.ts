/** Baggage without the correlation id that the way in notes there: for tests of what else it says. */
export const withoutId = (baggage: unknown): string =>
  String(baggage)
    .replace(/,?outrigger\.id=[^,]*/, '')
    .replace(/^,/, '');
