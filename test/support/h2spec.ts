import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** How one of h2spec's cases ended. */
export interface SpecCase {
  /** Section and number, as in `5.1.1/2`; `hpack/` and `generic/` in front where they come from. */
  readonly id: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  readonly says: string;
}

/** Whether h2spec can be run here. */
export const hasH2spec = (): boolean => spawnSync('h2spec', ['--version']).error === undefined;

const readEntities = (text: string): string =>
  text.replace(/&#x?[0-9A-Fa-f]+;|&(lt|gt|amp|quot);/g, (entity) => {
    const named: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&amp;': '&', '&quot;': '"' };
    return named[entity] ?? ' ';
  });

/** Reads h2spec's JUnit report. Cases are numbered within their package, in the order they stand. */
export const readReport = (xml: string): SpecCase[] => {
  const cases: SpecCase[] = [];
  const numbers = new Map<string, number>();
  for (const found of xml.matchAll(/<testcase ([^>]*?)(\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const section = /package="([^"]*)"/.exec(found[1]!)?.[1] ?? '';
    const number = (numbers.get(section) ?? 0) + 1;
    numbers.set(section, number);
    const inside = found[3] ?? '';
    const outcome = /<(failure|error)/.test(inside)
      ? 'failed'
      : inside.includes('<skipped')
        ? 'skipped'
        : 'passed';
    const title = readEntities(/classname="([^"]*)"/.exec(found[1]!)?.[1] ?? '');
    cases.push({ id: `${section.replace(/^http2\//, '')}/${number}`, outcome, says: title });
  }
  return cases;
};

/** Runs every section, strict, against a port of this machine. Ends after two minutes at the latest. */
export const runH2spec = async (port: number): Promise<SpecCase[]> => {
  const folder = mkdtempSync(join(tmpdir(), 'h2spec-'));
  const report = join(folder, 'report.xml');
  try {
    const child = spawn('h2spec', ['-S', '-h', '127.0.0.1', '-p', String(port), '-o', '2', '-j', report], {
      stdio: 'ignore',
      timeout: 120_000,
    });
    await new Promise<void>((resolve) => void child.on('close', () => resolve()));
    return readReport(readFileSync(report, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
