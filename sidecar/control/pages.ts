import type { Snapshot } from '../core/snapshot.ts';
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

/** A snapshot as plain values: what the mesh says is public, so nothing of it is left out. */
export const plainSnapshot = (snapshot: Snapshot): Record<string, unknown> => ({
  version: snapshot.version,
  services: Object.fromEntries(
    [...snapshot.services].map(([name, { endpoints, origin }]) => [
      name,
      { origin, endpoints: endpoints.map(({ id }) => id) },
    ]),
  ),
  asked: Object.fromEntries(snapshot.asked),
  access: snapshot.access,
  flags: Object.fromEntries(snapshot.flags),
});

/** Every page of the admin port, by path. Each is read-only, and none shows a key or a token. */
export const pages: ReadonlyMap<string, Page> = new Map<string, Page>([
  ['/live', () => json({ live: true })],
  [
    '/ready',
    (view) => {
      const reasons = view.notReady();
      return json({ ready: reasons.length === 0, reasons }, reasons.length === 0 ? 200 : 503);
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
      }),
  ],
  ['/endpoints', (view) => json(view.endpoints())],
  ['/stack', (view) => json(view.stacks())],
]);
