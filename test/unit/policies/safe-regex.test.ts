import { describe, expect, it } from 'vitest';
import { type SafeRegex, safeRegex } from '../../../sidecar/policies/safe-regex.ts';

const machine = (pattern: string): SafeRegex => {
  const made = safeRegex(pattern);
  if ('why' in made) throw new Error(`${pattern}: ${made.why}`);
  return made;
};

describe('a pattern', () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ['', [''], ['a']],
    ['/shop\\.Inventory/Get', ['/shop.Inventory/Get'], ['/shopxInventory/Get', '/shop.Inventory/GetAll']],
    ['/shop\\..*', ['/shop.', '/shop.A/B'], ['x/shop.A/B', '/shop']],
    ['a|bc|', ['a', 'bc', ''], ['b', 'abc']],
    ['a*b+c?', ['b', 'aabbc'], ['a', 'bcc']],
    ['(ab)*', ['', 'abab'], ['aba']],
    ['(?:ab|c){2,3}', ['abc', 'ccc', 'ababab'], ['ab', 'cccc']],
    ['a{3}', ['aaa'], ['aa', 'aaaa']],
    ['a{2,}', ['aa', 'aaaaa'], ['a']],
    ['a{0}b', ['b'], ['ab']],
    ['x{,2}', ['x{,2}'], ['xx']],
    ['[a-c]x', ['ax', 'cx'], ['dx', 'x']],
    ['[^a-c]', ['d', '-', 'é'], ['a', '']],
    ['[]a-]+', [']a-'], ['b']],
    ['[\\d_.-]+', ['1_2.3-'], ['a']],
    ['[[:alpha:]][[:^digit:]]', ['ab', 'a-'], ['1b', 'a1']],
    ['\\d\\D\\w\\W\\s\\S', ['1a_- x'], ['1a_-xx']],
    ['.\\.', ['a.'], ['ab', '\n.']],
    ['(?s)a.b', ['a\nb'], ['ab']],
    ['(?i)Gold', ['GOLD', 'gold'], ['golf']],
    ['(?i)[a-c]+', ['aBC'], ['aD']],
    ['a(?i:b)c', ['aBc', 'abc'], ['abC', 'Abc']],
    ['a(?i)b', ['aB'], ['Ab']],
    ['(?P<tier>gold|silver)', ['gold'], ['golden']],
    ['a+?b*?', ['aab', 'a'], ['b']],
    ['^a$', ['a'], ['a\n']],
    ['a^b', [], ['ab', 'a^b']],
    ['\\Aa\\z', ['a'], ['aa']],
    ['a\\b.\\bb', ['a-b'], ['aab']],
    ['a\\Bb', ['ab'], ['a', 'a-b']],
    ['\\x41\\x{42}\\t\\$', ['AB\t$'], ['ab\t$']],
    ['(a*)*', ['', 'aaa'], ['b']],
    ['((a|b)*c|d)*', ['abcd', ''], ['ab']],
  ])('%s', (pattern, fits, others) => {
    const regex = machine(pattern);
    expect(fits.filter((text) => !regex.matches(text))).toEqual([]);
    expect(others.filter((text) => regex.matches(text))).toEqual([]);
  });

  it.each<[string, string]>([
    ['(?=a)', "'(?=' is left out: look-around, back references and other flags than i, s and U"],
    ['(?<!a)b', "'(?<' is left out: look-around, back references and other flags than i, s and U"],
    ['(?m)^a', "'(?m' is left out: look-around, back references and other flags than i, s and U"],
    ['(a)\\1', "'\\1' is left out"],
    ['\\pL', "'\\p' is left out"],
    ['\\Qa.b\\E', "'\\Q' is left out"],
    ['é', 'characters beyond ASCII are left out'],
    ['\\x{e9}', 'characters beyond ASCII are left out'],
    ['(a', "a '(' without its ')'"],
    ['a)', "a ')' without its '('"],
    ['[a', "a '[' without its ']'"],
    ['[z-a]', 'a range within brackets runs backwards'],
    ['[[:vowel:]]', "'[:vowel:]' is no class"],
    ['*a', "'*' repeats nothing"],
    ['a**', 'one repetition stands behind another'],
    ['a{2}{3}', 'one repetition stands behind another'],
    ['a{2000}', "'{2000}' is no repetition of 1000 at most"],
    ['a{3,2}', "'{3,2}' is no repetition of 1000 at most"],
    ['a\\', "'\\' is left out"],
    ['(a{100}){100}', 'it comes to more than 500 steps'],
    ['((((){1000}){1000}){1000}){1000}', 'its repetitions come to too much'],
    ['('.repeat(60), 'groups stand more than 50 deep'],
    ['a'.repeat(1025), 'it is longer than 1024 characters'],
  ])('%s is refused with its reason', (pattern, why) => {
    expect(safeRegex(pattern)).toEqual({ why });
  });

  it('says of every text what JavaScript says of it, where both have the words', () => {
    const patterns = [
      '(a|b)*abb',
      'a(b|c)*?d{1,2}',
      '[^b]*b[^b]*',
      '(a?b?){3}',
      '(ab|a)(bc|c)?',
      'a*\\b-?b*',
    ];
    const texts = [''];
    for (let at = 0; texts.length < 3000; at++) for (const char of 'abcd-') texts.push(`${texts[at]}${char}`);
    for (const pattern of patterns) {
      const regex = machine(pattern);
      const theirs = new RegExp(`^(?:${pattern})$`);
      expect(texts.filter((text) => regex.matches(text) !== theirs.test(text))).toEqual([]);
    }
  });

  it('takes no longer for thousands of letters than a machine that tries again takes for 24', () => {
    const pattern = '(a+)+b';
    const regex = machine(pattern);
    const milliseconds = (work: () => boolean): number => {
      const began = performance.now();
      expect(work()).toBe(false);
      return performance.now() - began;
    };
    const ours = milliseconds(() => regex.matches('a'.repeat(4096)));
    const theirs = milliseconds(() => new RegExp(`^(?:${pattern})$`).test('a'.repeat(24)));
    expect(ours).toBeLessThan(theirs);
  });
});
