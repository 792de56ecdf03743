/**
 * A mesh in one process, for the tests of apps: services are hosted, calls go through the same stacks as between machines, and
 * time stands still until the test moves it.
 */
import { stillKit } from '../../sidecar/index.ts';
import type { ConnectOptions } from '../connect.ts';
import { Hosting } from '../host.ts';
import { type Mesh, makeMesh } from '../mesh.ts';
import { TestClock } from './clock.ts';
import { Faults } from './faults.ts';

export { TestClock } from './clock.ts';
export { type Fault, Faults } from './faults.ts';

/**
 * What happens around the calls of a test mesh: the middleware and the listeners of `connect`.
 *
 * @example
 * const options: TestMeshOptions = { onError: (error) => console.error(error) };
 * const testing = await testMesh(options);
 * await testing.close();
 */
export type TestMeshOptions = Pick<
  ConnectOptions,
  'clientMiddleware' | 'serverMiddleware' | 'onError' | 'onLostContext'
>;

/**
 * A mesh whose services are hosted by the test.
 *
 * @example
 * const withStock = async (): Promise<TestMesh> => {
 *   const testing = await testMesh();
 *   await testing.host(Inventory, 'inventory', stock);
 *   return testing;
 * };
 * const testing = await withStock();
 * console.log((await testing.client(Inventory, 'inventory').reserve({ sku: 'oar' })).left);
 * await testing.close();
 */
export interface TestMesh extends Mesh {
  readonly clock: TestClock;
  readonly faults: Faults;
}

/**
 * Opens a mesh in this process that knows nobody else: no file, no environment, no sidecar.
 *
 * @example
 * const testing = await testMesh();
 * await testing.host(Inventory, 'inventory', stock);
 * testing.faults.set('inventory', 'hangs');
 * const call = testing.client(Inventory, 'inventory').reserve({ sku: 'oar' }, { timeout: '2s' });
 * call.catch((error: MeshError) => console.log(error.codeName)); // DEADLINE_EXCEEDED
 * await testing.clock.advance('2s');
 * await testing.close();
 */
export const testMesh = async (options: TestMeshOptions = {}): Promise<TestMesh> => {
  const clock = new TestClock();
  const kit = stillKit(clock);
  clock.drive(kit.wheel);
  const faults = new Faults(clock);
  const hosting = new Hosting({}, kit);
  const { channel } = await hosting.home(false);
  const parts = { options, hosting, sidecar: '', channel, grpc: null, tracing: null };
  const mesh = makeMesh({ ...parts, now: () => clock.now() });
  return {
    ...mesh,
    clock,
    faults,
    host: (definition, service, methods) =>
      mesh.host(definition, service, faults.around(service, methods) as typeof methods),
  };
};
