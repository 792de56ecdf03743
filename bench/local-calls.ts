import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, connect, definition } from '../sdk/index.ts';

/*
 * What a unary call costs to a service that is hosted in the same process: outbound and inbound stack, both sides of the
 * SDK, and every message encoded and decoded twice.
 *
 *     npm run bench:local
 */

interface Health {
  check(request: { service: string }): Promise<{ status: string }>;
}

const calls = 20_000;
const rounds = 5;

const proto = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'proto');
const Health = definition<Health>(join(proto, 'grpc/health/v1/health.proto'), 'grpc.health.v1.Health');

/** Microseconds of CPU that each of many calls takes, one after another. */
const costOf = async (health: Client<Health>, service: string): Promise<number> => {
  const before = process.cpuUsage();
  for (let call = 0; call < calls; call++) await health.check({ service });
  const { user, system } = process.cpuUsage(before);
  return (user + system) / calls;
};

const mesh = await connect();
const watch = async function* (): AsyncGenerator<{ status: string }> {};
const methods = { check: () => ({ status: 'SERVING' }), watch };
await mesh.host(Health, 'health', methods);
const health = mesh.client(Health, 'health');
for (const bytes of [10, 1000, 10_000]) {
  const service = 'x'.repeat(bytes);
  await costOf(health, service);
  const costs: number[] = [];
  for (let round = 0; round < rounds; round++) costs.push(await costOf(health, service));
  const sorted = costs.sort((one, other) => one - other).map((cost) => cost.toFixed(1));
  console.log(
    `request of ${bytes} octets: ${sorted[Math.floor(rounds / 2)]} us of CPU a call (${sorted.join(', ')})`,
  );
}
await mesh.close();
