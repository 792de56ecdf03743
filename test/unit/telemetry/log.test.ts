import { execFileSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { switchLevelBySignal } from '../../../sidecar/telemetry/level-signal.ts';
import { openLog } from '../../../sidecar/telemetry/log.ts';

const capture = (level: 'debug' | 'info' = 'info') => {
  const lines: string[] = [];
  const log = openLog({
    level,
    base: { service: 'orders' },
    destination: { write: (line) => void lines.push(line) },
  });
  return { log, lines };
};

describe('the log', () => {
  it('writes one JSON line per event, with level, time and service', () => {
    const { log, lines } = capture();
    log.warn({ peer: '10.0.0.7:15002', error: new Error('refused') }, 'dial failed');
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0]!)).toEqual({
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      service: 'orders',
      peer: '10.0.0.7:15002',
      error: 'refused',
      event: 'dial failed',
    });
  });

  it('keeps quiet below its level', () => {
    const { log, lines } = capture();
    log.debug({}, 'not this');
    log.info({}, 'but this');
    expect(lines.map((line) => JSON.parse(line).event)).toEqual(['but this']);
  });

  it('lets no id forge a line or speak to a terminal', () => {
    const { log, lines } = capture();
    const id = 'a\n{"level":"error"}\u001b[2J\u009b2J\u202eb\u2028';
    log.info({ id }, 'call');
    expect(lines[0]!.trimEnd()).not.toMatch(/[^\x20-\x7e]/);
    expect(JSON.parse(lines[0]!).id).toBe(id);
  });

  it('writes more or less while it runs, as it is told', () => {
    const { log, lines } = capture();
    const write = (): void => {
      log.debug({}, 'debug');
      log.info({}, 'info');
      log.warn({}, 'warn');
    };
    const seen: unknown[] = [];
    for (const level of ['info', 'debug', 'warn', 'info'] as const) {
      log.level = level;
      write();
      seen.push([log.level, log.verbose, lines.splice(0).map((line) => JSON.parse(line).event)]);
    }
    expect(seen).toEqual([
      ['info', false, ['info', 'warn']],
      ['debug', true, ['debug', 'info', 'warn']],
      ['warn', false, ['warn']],
      ['info', false, ['info', 'warn']],
    ]);
  });

  it('goes to debug and back by SIGUSR2, and says so at every level', () => {
    const { log, lines } = capture();
    log.level = 'error';
    const signals = new EventEmitter();
    const leave = switchLevelBySignal(log, signals);
    const levels: unknown[] = [];
    for (let times = 0; times < 3; times++) {
      signals.emit('SIGUSR2');
      levels.push([log.level, lines.splice(0).map((line) => JSON.parse(line).to)]);
    }
    expect(levels).toEqual([
      ['debug', ['debug']],
      ['error', ['error']],
      ['debug', ['debug']],
    ]);
    leave();
    expect(signals.listenerCount('SIGUSR2')).toBe(0);
  });

  it('is on stderr, whole, also when the process ends at once', () => {
    const source = `import { openLog } from './sidecar/telemetry/log.ts';
      const log = openLog({ level: 'info' });
      for (let line = 0; line < 1000; line++) log.info({ line }, 'x');
      process.exit(0);`;
    const output = execFileSync(
      'sh',
      ['-c', '"$0" --import tsx --input-type=module -e "$1" 2>&1 >/dev/null', process.execPath, source],
      { encoding: 'utf8' },
    );
    const lines = output
      .trimEnd()
      .split('\n')
      .filter((line) => line.startsWith('{'));
    // The line that was on its way when the process ended may come after those that were flushed.
    const numbers = lines.map((line) => JSON.parse(line).line as number);
    expect(numbers.sort((one, other) => one - other)).toEqual(
      Array.from({ length: 1000 }, (_, line) => line),
    );
  });
});
