import { expect, test } from 'vitest';
import * as sdk from '../../../sdk/index.ts';
import { examplesOf, runExamples } from '../../support/examples.ts';

test('every export of the SDK has an example, which compiles and runs', () => {
  const found = examplesOf('sdk/index.ts');
  const without = [...found].filter(([, examples]) => examples.length === 0).map(([name]) => name);
  expect(without).toEqual([]);
  const examples = [...found].flatMap(([of, codes]) => codes.map((code) => ({ of, code })));
  const runtime = Object.keys(sdk);
  const types = [...found.keys()].filter((name) => !runtime.includes(name));
  const { problems, output } = runExamples(examples, runtime, types);
  expect(problems).toEqual([]);
  expect(output).toContain('NOT_FOUND: no such sku');
}, 90_000);

test('control: one that does not compile and one that fails are found', () => {
  const wrong = [
    { of: 'first', code: 'await inventory.release({});' },
    { of: 'second', code: "throw new Error('on purpose');" },
  ];
  const { problems } = runExamples(wrong, Object.keys(sdk), ['Client', 'Mesh', 'Methods']);
  expect(problems).toContainEqual(expect.stringContaining("Property 'release' does not exist"));
  expect(problems).toContainEqual(expect.stringMatching(/^FAILED second Error: on purpose/));
}, 90_000);
