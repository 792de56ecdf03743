/** Where every copy of @opentelemetry/api keeps what is registered. */
const key: unique symbol = Symbol.for('opentelemetry.js.api.1') as never;

/** Whether somebody in this process has registered `what`; looked up without loading anything. */
export const isRegistered = (what: 'trace' | 'diag'): boolean =>
  (globalThis as { readonly [key]?: Readonly<Record<string, unknown>> })[key]?.[what] !== undefined;
