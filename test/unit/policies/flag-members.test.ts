import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  agree,
  type Carried,
  carriedIn,
  flagReader,
  readAsked,
  valueIn,
} from '../../../sidecar/policies/flag-members.ts';

/** Members as sidecars, apps and attackers write them. */
const member = fc.constantFrom(
  'outrigger.flags=3f9a01bc.web',
  'outrigger.flags=3f9a01bc',
  'outrigger.flags =1.x;p=1',
  'ff.express=on',
  'ff.express = off;p=1',
  ' ff.tax=v%202',
  'ff.bad=%zz',
  'ff.',
  'xff.a=1',
  'my.outrigger.flags=1',
  'outrigger.hops=2',
  'outrigger.retry=1',
  'user=7',
  '',
);

/** Without members that say nothing, which one of them keeps. */
const plain = (carried: Carried | null) =>
  carried && { ...carried, others: carried.others.split(',').filter(Boolean).join(',') };

describe('what baggage says of flags', () => {
  it('is read the same by whoever remembers texts and by whoever does not', () => {
    const read = flagReader();
    fc.assert(
      fc.property(fc.array(member, { maxLength: 6 }), (members) => {
        const baggage = members.join(',');
        // Twice: what is remembered must be what was read.
        expect(plain(read(baggage))).toEqual(plain(carriedIn(baggage)));
        expect(plain(read(baggage))).toEqual(plain(carriedIn(baggage)));
      }),
      { numRuns: 5000 },
    );
  });

  it('is the mark, the answers in their order, and what is left', () => {
    expect(carriedIn('a=1, ff.x=on;p=1,outrigger.flags=3f9a01bc.web ,b=2,ff.y=off')).toEqual({
      version: '3f9a01bc',
      by: 'web',
      members: ['ff.x=on', 'ff.y=off'],
      text: 'outrigger.flags=3f9a01bc.web,ff.x=on,ff.y=off',
      others: 'a=1,b=2',
    });
    expect(carriedIn('a=1,xff.x=on,b=ff.x')).toBeNull();
  });

  it('agrees with the same in another spelling, and with nothing more or other', () => {
    const one = carriedIn('outrigger.flags=1.web,ff.x=v%202,ff.y=off')!;
    expect(agree(one, carriedIn('ff.y = off,ff.x=v 2,outrigger.flags=1.web')!)).toBe(true);
    for (const other of [
      'ff.x=v%202',
      'ff.x=v%202,ff.y=on',
      'ff.x=v%202,ff.y=off,ff.z=on',
      'ff.y=off,ff.y=off',
    ])
      expect(agree(one, carriedIn(`outrigger.flags=1.web,${other}`)!)).toBe(false);
    expect(agree(one, carriedIn('outrigger.flags=1.edge,ff.x=v%202,ff.y=off')!)).toBe(false);
    expect(agree(one, carriedIn('outrigger.flags=2.web,ff.x=v%202,ff.y=off')!)).toBe(false);
  });
});

describe('words beside', () => {
  it('are what a tester asks for, up to 32', () => {
    expect(readAsked('express=on, tax = v2')).toEqual([
      ['express', 'on'],
      ['tax', 'v2'],
    ]);
    expect(readAsked(Array(32).fill('a=b').join(','))).toHaveLength(32);
    for (const text of ['', 'a', 'a=', '=b', 'a=b=c', 'a=b,', Array(33).fill('a=b').join(',')])
      expect(readAsked(text)).toBeNull();
  });

  it('are values of any member', () => {
    expect(valueIn('tenant=acme, user = anna;p=1', 'user')).toBe('anna');
    expect(valueIn('superuser=1,users=2', 'user')).toBe('');
  });
});
