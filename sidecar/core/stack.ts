import type { Filter, Service } from './filter.ts';

/** A stack under construction: `Outer` is what enters at the top, `Inner` what leaves at the bottom so far. */
export interface Stack<Outer, Inner> {
  /** Adds a filter below all earlier ones: the first added meets the call first. */
  use<Next>(filter: Filter<Inner, Next>): Stack<Outer, Next>;
  /** The same for a filter that is not always wanted: null adds nothing. */
  maybe(filter: Filter<Inner> | null): Stack<Outer, Inner>;
  /** Closes the stack over what answers its calls. */
  to(service: Service<Inner>): Service<Outer>;
  /** Names of the filters, from the top. */
  readonly names: readonly string[];
  /** The filters themselves, from the top: for whoever measures what one of them costs. */
  readonly filters: readonly AnyFilter[];
}

/** An empty stack. Read it from the top: that is the order in which a call meets the filters. */
export const stack = <C>(): Stack<C, C> => grow([]);

// biome-ignore lint/suspicious/noExplicitAny: the types of a chain are checked by `use`, its storage cannot say them
export type AnyFilter = Filter<any, any>;
// biome-ignore lint/suspicious/noExplicitAny: as above
type AnyService = Service<any>;

/** Filters above what answers their calls, without types to say that they fit. */
export const chained = (filters: readonly AnyFilter[], service: AnyService): AnyService =>
  filters.reduceRight<AnyService>((next, filter) => (call) => filter(call, next), service);

const grow = <Outer, Inner>(filters: readonly AnyFilter[]): Stack<Outer, Inner> => ({
  use: <Next>(filter: Filter<Inner, Next>) => grow<Outer, Next>([...filters, filter]),
  maybe: (filter) => grow<Outer, Inner>(filter === null ? filters : [...filters, filter]),
  to: (service) => chained(filters, service),
  names: filters.map((filter) => filter.name),
  filters,
});
