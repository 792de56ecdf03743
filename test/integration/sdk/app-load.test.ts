import { afterEach, expect, it } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { type MiddleMesh, middleMesh } from '../../support/middle-mesh.ts';
import { Shop } from '../../support/shop.ts';
import { metricsOf, sumOf } from '../../support/sidecars.ts';

let running: MiddleMesh | null = null;
afterEach(() => running?.close());

it('a sidecar shows how busy its app is, as the SDK says', async () => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  running = await middleMesh(() => ({
    take: async ({ sku }) => {
      const end = performance.now() + 50;
      while (performance.now() < end); // the loop stands still
      await held;
      return { sku, left: 1 };
    },
  }));
  const { web, middle } = running;
  const call = web.client(Shop, 'middle').take({ sku: 'oar' });
  const inProgress = (): number => sumOf(middle, 'outrigger_app_calls_in_progress');
  await eventually(() => inProgress() === 1, 'the app to say that it serves a call');
  expect(metricsOf(middle).get('outrigger_app_loop_utilization')).toBeGreaterThan(0);
  release();
  await call;
  await eventually(() => inProgress() === 0, 'the app to say that it serves none');
  expect(metricsOf(middle).get('outrigger_app_loop_delay_seconds')).toBeGreaterThanOrEqual(0);
}, 60_000);
