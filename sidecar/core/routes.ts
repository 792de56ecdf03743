import type { ServiceView } from './snapshot.ts';

/** How a text must look. Plain words all the way down, so that a table can be written to a file. */
export interface TextMatch {
  /** `pattern` is in RE2's syntax, about the whole text; `present` takes any text. */
  readonly by: 'present' | 'exact' | 'prefix' | 'suffix' | 'contains' | 'pattern';
  readonly text: string;
  readonly ignoreCase: boolean;
}

/** How one header field must look. */
export interface FieldMatch extends TextMatch {
  /** In lower case. */
  readonly name: string;
  /** The field must be there and look otherwise; with `present`: it must be absent. As Envoy has it. */
  readonly invert: boolean;
}

/** One side of a split. */
export interface Leg {
  /** More than 0; what the weights of a rule add up to is the whole. */
  readonly weight: number;
  /** Keys of targets: the first that has an instance is called. */
  readonly targets: readonly string[];
}

/** Which calls, and what becomes of them. */
export interface RouteRule {
  /** The beginning, or all, of `/package.Service/Method`; null: any. */
  readonly path: TextMatch | null;
  /** All of them. */
  readonly fields: readonly FieldMatch[];
  /** At least one. */
  readonly legs: readonly Leg[];
  /** What takes the place of the matched part of the path; null: the path stays. */
  readonly rewrite: string | null;
  /** Milliseconds that a call may last at most; null: no bound of its own. */
  readonly timeoutMs: number | null;
}

/** How the calls to one name are divided: the first rule that fits decides. */
export interface RouteTable {
  readonly name: string;
  /** As Consul has it: `grpc`, `http2`, `http`, `tcp`. */
  readonly protocol: string;
  readonly rules: readonly RouteRule[];
}

/** What the mesh says of routes. */
export interface Routes {
  /** Names whose calls are not all the same; null in a slice: they are, whatever was said before. */
  readonly routes: ReadonlyMap<string, RouteTable | null>;
  /** What the rules lead to: each a service, or a subset of it, in a datacenter. */
  readonly targets: ReadonlyMap<string, ServiceView>;
  /** By name: what of its entries does not hold here, in words. */
  readonly unheeded: ReadonlyMap<string, readonly string[]>;
}

/** Routes of a mesh that has none. */
export const noRoutes: Routes = Object.freeze({
  routes: new Map(),
  targets: new Map(),
  unheeded: new Map(),
});
