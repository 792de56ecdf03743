import { expect, test } from 'vitest';
import * as sdk from '../../../sdk/index.ts';
import * as openfeature from '../../../sdk/openfeature.ts';
import * as testing from '../../../sdk/testing/index.ts';
import { type Entrance, examplesOf, runExamples } from '../../support/examples.ts';

const files = {
  'sdk/index.ts': sdk,
  'sdk/testing/index.ts': testing,
  'sdk/openfeature.ts': openfeature,
} as const;

test('every export of the SDK has an example, which compiles and runs', () => {
  const entrances: Entrance[] = [];
  const examples = Object.entries(files).flatMap(([file, module]) => {
    const found = examplesOf(file);
    const without = [...found].filter(([, each]) => each.length === 0).map(([name]) => name);
    expect(without, file).toEqual([]);
    const runtime = Object.keys(module);
    entrances.push({ file, runtime, types: [...found.keys()].filter((name) => !runtime.includes(name)) });
    return [...found].flatMap(([of, codes]) => codes.map((code) => ({ of, code })));
  });
  const { problems, output } = runExamples(examples, entrances);
  expect(problems).toEqual([]);
  expect(output).toContain('NOT_FOUND: no such sku');
}, 90_000);

test('control: one that does not compile and one that fails are found', () => {
  const wrong = [
    { of: 'first', code: 'await inventory.release({});' },
    { of: 'second', code: "throw new Error('on purpose');" },
  ];
  const entrance = { file: 'sdk/index.ts', runtime: Object.keys(sdk), types: ['Client', 'Mesh', 'Methods'] };
  const { problems } = runExamples(wrong, [entrance]);
  expect(problems).toContainEqual(expect.stringContaining("Property 'release' does not exist"));
  expect(problems).toContainEqual(expect.stringMatching(/^FAILED second Error: on purpose/));
}, 90_000);
