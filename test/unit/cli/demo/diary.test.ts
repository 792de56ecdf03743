import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { openDiary, readDiary } from '../../../../sidecar/cli/demo/diary.ts';

const folder = mkdtempSync(join(tmpdir(), 'diary-'));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('a diary is read from where it was left, without a line that a kill cut short', () => {
  const path = join(folder, 'app');
  const tell = openDiary(path, 'orders');
  tell({ event: 'ready' });
  const first = readDiary(path);
  expect(first.lines).toMatchObject([{ app: 'orders', event: 'ready', pid: process.pid }]);
  tell({ event: 'served', id: 'a', code: 'OK' });
  appendFileSync(path, '{"event":"ser');
  const second = readDiary(path, first.end);
  expect(second.lines).toMatchObject([{ event: 'served', id: 'a', code: 'OK' }]);
  expect(readDiary(path, second.end).lines).toEqual([]);
});
