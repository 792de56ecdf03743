import { describe, expect, it } from 'vitest';
import { Cell } from '../../../sidecar/core/cell.ts';

describe('a cell', () => {
  it('tells its listeners in the order they came, until they are taken off', () => {
    const cell = new Cell(0);
    const heard: string[] = [];
    const deaf = cell.listen((value) => void heard.push(`first ${value}`));
    cell.listen((value) => void heard.push(`second ${value}`));
    cell.set(1);
    deaf();
    cell.set(2);
    expect(heard).toEqual(['first 1', 'second 1', 'second 2']);
  });

  it('tells the others when a listener throws, and throws it afterwards', () => {
    const cell = new Cell(0);
    const heard: number[] = [];
    const deaf = cell.listen(() => {
      throw new TypeError('a bad certificate');
    });
    cell.listen((value) => void heard.push(value));
    expect(() => cell.set(1)).toThrow(new TypeError('a bad certificate'));
    expect([cell.value, heard]).toEqual([1, [1]]);
    cell.listen(() => {
      throw new Error('another');
    });
    expect(() => cell.set(2)).toThrow('2 listeners of a value failed');
    deaf();
    expect(() => cell.set(3)).toThrow('another');
    expect(heard).toEqual([1, 2, 3]);
  });
});
