import type { Call } from '../core/call.ts';
import type { Permission } from '../core/permission.ts';
import type { Intention } from '../core/snapshot.ts';
import { type HeaderTest, headerTest } from './header-rule.ts';
import { safeRegex } from './safe-regex.ts';

/** The permissions of one intention, ready to be asked. */
export interface PermissionJudge {
  /** True when headers count, so that the answer is not the method's alone. */
  readonly readsHeaders: boolean;
  /** Of each permission: why it cannot be kept, or null. */
  readonly unclear: readonly (string | null)[];
  /** The index of the permission that decides on a call: the first that fits, or cannot be kept; -1 when none. */
  decide(call: Call): number;
}

/**
 * Makes permissions ready. Path and headers are those that the app will see, byte for byte: nothing is parsed again.
 * Ref: Consul, service-intentions, "Permissions"; HTTP's method is POST in all of gRPC.
 */
export const permissionJudge = (permissions: readonly Permission[]): PermissionJudge => {
  const tests = permissions.map(permissionTest);
  return {
    readsHeaders: permissions.some(({ headers }) => headers.length > 0),
    unclear: tests.map((test) => ('why' in test ? test.why : null)),
    decide: (call) => tests.findIndex((test) => 'why' in test || test(call)),
  };
};

/** Every permission that cannot be kept, named with its reason. */
export const unclearIn = (intentions: readonly Intention[]): readonly string[] =>
  intentions.flatMap(({ from, to, permissions = [] }) =>
    permissionJudge(permissions).unclear.flatMap((why, index) =>
      why === null ? [] : [`permission ${index + 1} of the intention '${from}' to '${to}': ${why}`],
    ),
  );

type Test = (call: Call) => boolean;

const permissionTest = (permission: Permission): Test | { readonly why: string } => {
  const { allow, headers, methods, unclear } = permission;
  if (unclear !== null) return { why: unclear };
  const path = pathTest(permission.path);
  if (path !== null && 'why' in path) return path;
  const asks: HeaderTest[] = [];
  for (const rule of headers) {
    const ask = headerTest(rule);
    if ('why' in ask) return ask;
    asks.push(ask);
  }
  if (methods.length > 0 && !methods.includes('POST')) return () => false;
  return (call) => (path === null || path(call)) && asks.every((ask) => ask(call, !allow));
};

const pathTest = (path: Permission['path']): Test | null | { readonly why: string } => {
  if (path === null) return null;
  const { ask, text } = path;
  if (ask === 'exact') return ({ method }) => method === text;
  if (ask === 'prefix') return ({ method }) => method.startsWith(text);
  const regex = safeRegex(text);
  return 'why' in regex
    ? { why: `the pattern '${text.slice(0, 100)}': ${regex.why}` }
    : ({ method }) => regex.matches(method);
};
