// Runs vitest with the arguments given, and prints alone on its last line how many tests passed, failed and were
// skipped, read from vitest's own report. Ends with an error when anything failed, or when nothing ran at all.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = mkdtempSync(join(tmpdir(), 'outrigger-tests-'));
const report = join(folder, 'report.json');
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url));
const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];

const child = spawn(process.execPath, [vitest, 'run', ...reporters, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));

const [code] = await new Promise((resolve) => {
  child.once('close', (...ended) => resolve(ended));
});

/** A test file that fails before its tests begin has none of them in the report: it counts as one failure. */
const count = () => {
  const { numPassedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
    readFileSync(report, 'utf8'),
  );
  const failures = testResults.map(({ status, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed').length;
    return status === 'failed' ? Math.max(failed, 1) : failed;
  });
  return {
    passed: numPassedTests,
    failed: failures.reduce((sum, failed) => sum + failed, 0),
    skipped: numPendingTests + numTodoTests,
  };
};

let counted = { passed: 0, failed: 1, skipped: 0 };
try {
  counted = count();
} catch (error) {
  console.error(`the report of vitest could not be read: ${error.message}`);
}
rmSync(folder, { recursive: true, force: true });

const { passed, failed, skipped } = counted;
process.exitCode = failed > 0 || passed === 0 ? 1 : (code ?? 1);
console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
