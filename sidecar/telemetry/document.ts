import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { metrics } from './metrics.ts';

/** The page docs/metrics.md: every metric with its kind, its labels and what it measures. */
export const metricsPage = (): string =>
  head +
  metrics
    .map(({ name, kind, labels, help }) => {
      const shown = labels.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${kind} | ${shown} | ${help} |\n`;
    })
    .join('');

const head = `# Metrics

<!-- Made from sidecar/telemetry/metrics.ts by \`npm run settings\`; change it there. -->

\`curl 127.0.0.1:15000/metrics\` shows these in the Prometheus text format. Metrics without a number yet are named all the
same. A metric has at most 2,000 sets of label values; what comes after counts under \`other\`.

What the labels mean:

- \`direction\`: \`outbound\` for calls of our app to its peers, \`inbound\` for calls of peers to our app.
- \`service\`: the service called. \`method\`: \`/package.Service/Method\`. \`code\`: the name of the gRPC status.
- \`from\`: who decided the status: \`peer\` (the app at the far end), \`wire\` (the transport), \`mesh\` (a rule of ours).
- \`quantile\`: 0.5, 0.99 or 1, of the time since the reading before.

Times are seconds, sizes are bytes. Each limit of docs/settings.md that a connection breaks counts in
\`outrigger_limit_breaches_total\` under its own name.

| metric | kind | labels | what it measures |
|---|---|---|---|
`;

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(new URL('../../docs/metrics.md', import.meta.url), metricsPage());
