import type { FlagSet } from '../core/flag-set.ts';
import type { ServiceView, Snapshot } from '../core/snapshot.ts';
import { plainPolicies } from './policies.ts';
import type { SidecarView } from './view.ts';

/** An answer of the admin port. */
export interface Answer {
  readonly code: number;
  readonly contentType: string;
  readonly body: string;
}

/** One page of the admin port. */
export type Page = (view: SidecarView) => Answer;

const json = (value: unknown, code: number = 200): Answer => ({
  code,
  contentType: 'application/json; charset=utf-8',
  body: `${JSON.stringify(value, null, 2)}\n`,
});

const plainViews = (views: ReadonlyMap<string, ServiceView>): Record<string, unknown> =>
  Object.fromEntries(
    [...views].map(([name, { endpoints, origin }]) => [
      name,
      { origin, endpoints: endpoints.map(({ id }) => id) },
    ]),
  );

/** Definitions of flags: their version, where they stand, and what each flag can be. */
const plainFlagSet = (set: FlagSet | null): unknown =>
  set && {
    version: set.version,
    origin: set.origin,
    flags: Object.fromEntries(set.variants),
    fixed: Object.fromEntries(set.fixed),
  };

/** A snapshot as plain values: what the mesh says is public, so nothing of it is left out. */
export const plainSnapshot = (snapshot: Snapshot): Record<string, unknown> => ({
  version: snapshot.version,
  services: plainViews(snapshot.services),
  asked: Object.fromEntries(snapshot.asked),
  routes: Object.fromEntries(
    [...snapshot.routes].map(([name, table]) => [name, { protocol: table?.protocol, rules: table?.rules }]),
  ),
  targets: plainViews(snapshot.targets),
  notHonoured: Object.fromEntries(snapshot.unheeded),
  access: snapshot.access,
  flags: Object.fromEntries(snapshot.flags),
  flagDefinitions: plainFlagSet(snapshot.flagSet),
  flagFaults: snapshot.flagFaults,
  policies: plainPolicies(snapshot),
  policyFaults: snapshot.policies.faults,
  policyConflicts: snapshot.policies.conflicts,
});

/** With a date that people can read. */
const dated = <Report extends { readonly since: number | null }>(
  report: Report,
): Record<string, unknown> => ({
  ...report,
  since: report.since === null ? null : new Date(report.since).toISOString(),
});

/** Every page of the admin port, by path. Each is read-only, and none shows a key or a token. */
export const pages: ReadonlyMap<string, Page> = new Map<string, Page>([
  ['/live', () => json({ live: true })],
  [
    '/ready',
    (view) => {
      const reasons = view.notReady();
      const warnings = view.warnings();
      const page = { ready: reasons.length === 0, reasons, ...(warnings.length > 0 && { warnings }) };
      return json(page, reasons.length === 0 ? 200 : 503);
    },
  ],
  [
    '/metrics',
    (view) => {
      const { contentType, text } = view.metrics();
      return { code: 200, contentType, body: text };
    },
  ],
  [
    '/snapshot',
    (view) =>
      json({
        service: view.service,
        ports: view.ports,
        identity: view.identity(),
        snapshot: plainSnapshot(view.snapshot()),
        authorization: view.authorization(),
      }),
  ],
  [
    '/endpoints',
    (view) => json({ services: view.services().map(dated), endpoints: view.endpoints().map(dated) }),
  ],
  ['/stack', (view) => json(view.stacks())],
]);

/** What the health port shows: nothing of who is called, by whom and where, beyond the labels of metrics. */
export const healthPages: ReadonlyMap<string, Page> = new Map(
  ['/live', '/ready', '/metrics'].map((path) => [path, pages.get(path)!]),
);
