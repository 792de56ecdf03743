import { expect, test } from 'vitest';
import { readCounters, since } from '../../../../sidecar/cli/demo/counters.ts';

const page = `# HELP outrigger_calls_total Calls that ended
# TYPE outrigger_calls_total counter
outrigger_calls_total{direction="outbound",service="orders",method="/outrigger.demo.v1.Orders/Place",code="OK",from="peer"} 12
outrigger_calls_total{direction="inbound",service="anonymous",method="/grpc.health.v1.Health/Check",code="OK",from="peer"} 3
outrigger_calls_in_flight{direction="outbound",service="orders"} 1
`;

test("only calls of the demo's own services count: health checks are nobody's call", () => {
  expect(readCounters(page)).toEqual([
    { direction: 'outbound', service: 'orders', method: 'Place', code: 'OK', from: 'peer', calls: 12 },
  ]);
});

test('what is new counts in full, what was there before only by what came since', () => {
  const [place] = readCounters(page);
  const failed = { ...place!, code: 'UNAVAILABLE', calls: 2 };
  expect(since([{ ...place!, calls: 10 }], [place!, failed]).map(({ calls }) => calls)).toEqual([2, 2]);
});
