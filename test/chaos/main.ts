/**
 * `npm run chaos`: every row at full length and by the wall clock, as a table. Words after it pick rows: `T-40 T-5`.
 * With `--short` (`npm run chaos -- --short T-2`) the rows that last minutes take seconds.
 * Partial failures beside a real Envoy are a table of their own: `npm run beside`.
 * Ends with 1 when a promise was not kept, or a control run showed no harm.
 */

import { textTable } from '../support/text-table.ts';
import { arrivalRows } from './arrival-rows.ts';
import { clockRows } from './clock-rows.ts';
import { consulRows } from './consul-rows.ts';
import { contextRows } from './context-rows.ts';
import { deadlineRows } from './deadline-rows.ts';
import { economyRows } from './economy-rows.ts';
import { faultyRows } from './faulty-rows.ts';
import { fleetRows } from './fleet-rows.ts';
import { forgeryRows } from './forgery-rows.ts';
import { identityRows } from './identity-rows.ts';
import { lineRows } from './line-rows.ts';
import { localRows } from './local-rows.ts';
import { onceRows } from './once-rows.ts';
import { outageRows } from './outage-rows.ts';
import { rotationRows } from './rotation-rows.ts';
import type { Finding, Row } from './row.ts';
import { wireRows } from './wire-rows.ts';

/** Every row there is. Others are added here, a file for each part of the mesh. */
const rows: readonly Row[] = [
  ...wireRows,
  ...rotationRows,
  ...clockRows,
  ...identityRows,
  ...consulRows,
  ...arrivalRows,
  ...economyRows,
  ...fleetRows,
  ...onceRows,
  ...forgeryRows,
  ...localRows,
  ...deadlineRows,
  ...contextRows,
  ...faultyRows,
  ...lineRows,
  ...outageRows,
];

const short = process.argv.includes('--short');
const picked = process.argv.slice(2).filter((word) => word !== '--short');
const wanted = rows.filter(({ id }) => picked.length === 0 || picked.some((word) => id.startsWith(word)));
const line = textTable([
  ['row', 5],
  ['fault', 38],
  ['promise', 55],
  ['measured', 68],
  ['control run', 68],
  ['kept', 4],
]);
let broken = 0;
for (const row of wanted) {
  const found: Finding = await row.run(short).catch((error: Error) => ({
    measured: error.message,
    control: '',
    kept: false,
  }));
  if (!found.kept) broken++;
  line([row.id, row.fault, row.promise, found.measured, found.control, found.kept ? 'yes' : 'NO']);
}
console.log(`${wanted.length} rows, ${broken} not kept`);
process.exitCode = broken === 0 && wanted.length > 0 ? 0 : 1;
