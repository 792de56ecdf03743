import { expect, test } from 'vitest';
import type { MeshError } from '../../../sdk/index.ts';
import { failures, meet } from './failures.ts';

/** What differs from run to run. */
const steady = (text: string): string =>
  text
    .replace(/127\.0\.0\.1:\d+/g, '10.0.0.7:15002')
    .replace(/\b\d+(\.\d+)? of \d+ ms/g, '290 of 300 ms')
    .replace(/\b\d+ ms ago/g, '20 ms ago')
    .replace(/\((\d+) ms\)/g, '(300 ms)')
    .replace(/\b\d+\.\d+ ms/g, '300 ms')
    .replace(/\bin \d+(\.\d+)? ms/g, 'in 300 ms')
    .replace(/\b\d+(\.\d+)?s,LB pick: \d+(\.\d+)?s/g, '')
    .replace(/\|/g, '\\|');

const row = (what: string, { codeName, decidedBy, reached, attempts, message }: MeshError): string =>
  `| ${what} | ${codeName} | ${decidedBy} | ${reached ? 'yes' : 'no'} | ${attempts} | ${steady(message)} |`;

test('every failure says in words what happened, who decided, and whether an app saw the call', async () => {
  const rows: string[] = [];
  for (const failure of failures) {
    const error = await meet(failure);
    rows.push(row(failure.what, error));
    expect(error.correlationId, failure.what).toMatch(/^[0-9a-f]{32}$/);
    expect(error.explain(), failure.what).toContain(error.correlationId);
  }
  const page = `# What a MeshError says

Written by \`test/integration/sdk/failures.test.ts\`, which plays each failure of [partial-failures.md](partial-failures.md) that an app meets: two sidecars, and an
app with the SDK. Addresses and times are made the same for each run.

| what goes wrong | code | decided by | seen by an app | attempts | message |
|---|---|---|---|---|---|
${rows.join('\n')}

\`decidedBy\`: \`peer\` is the app at the far end, \`wire\` a connection, \`mesh\` a rule of a sidecar, \`sdk\` the calling process itself. \`attempts\` is 0 where the
call left no sidecar. \`error.explain()\` says all of it over several lines, with the ledger of where the time went.
`;
  await expect(page).toMatchFileSnapshot('../../../docs/errors.md');
}, 60_000);
