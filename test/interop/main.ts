import { compare } from './compare.ts';
import { go, python } from './tools.ts';

/**
 * `npm run interop [SECONDS]`: Python, Go and Node clients and servers through two sidecars with
 * mutual TLS and directly. Ends with 1 when anything differs, or when a language cannot be had.
 */
const seconds = Number(process.argv[2] ?? 120);
const found = [python(true), go(true)];
const missing = found.filter((each) => typeof each === 'string');
for (const reason of missing) console.error(`interop: ${reason}`);
const languages = found.filter((each) => typeof each !== 'string');

console.log(`clients call through two sidecars for ${seconds} s, then directly`);
const started = performance.now();
const { comparisons, breaches } = await compare(languages, { seconds, streams: 200 });
for (const { client, server, rounds, difference } of comparisons)
  console.log(
    `${client.padEnd(7)} -> ${server.padEnd(7)} ${String(rounds).padStart(4)} rounds of 200 streams  ${difference === null ? 'identical' : `DIFFERENT\n${difference}`}`,
  );
for (const breach of breaches) console.log(`unexpected: ${breach}`);
console.log(`${Math.round((performance.now() - started) / 1000)} s`);
process.exitCode =
  missing.length > 0 || breaches.length > 0 || comparisons.some(({ difference }) => difference !== null)
    ? 1
    : 0;
