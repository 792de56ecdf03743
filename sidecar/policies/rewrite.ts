import { isMethodPath } from '../core/method-path.ts';
import type { RouteRule } from '../core/routes.ts';

/** The path that a rule which fits `path` makes of it; null when that would name no gRPC method. */
export const rewritten = ({ path: match, rewrite }: RouteRule, path: string): string | null => {
  if (rewrite === null) return path;
  // Without a condition on the path it is the slash, with which every path begins, that is replaced.
  const rest = match === null ? path.slice(1) : path.slice(match.text.length);
  const made = match?.by === 'exact' ? rewrite : rewrite + rest;
  return isMethodPath(made) ? made : null;
};
