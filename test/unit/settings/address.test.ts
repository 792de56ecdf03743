import { describe, expect, it } from 'vitest';
import { readDuration, readSize } from '../../../sidecar/core/units.ts';
import {
  collide,
  isLoopback,
  readHostPort,
  readSocketPath,
  writePlace,
} from '../../../sidecar/settings/address.ts';

describe('an address', () => {
  it.each([
    ['127.0.0.1:15001', { host: '127.0.0.1', port: 15001 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['db-1.example:65535', { host: 'db-1.example', port: 65535 }],
  ])('%s is one, and is written as it was read', (text, place) => {
    expect(readHostPort(text)).toEqual(place);
    expect(writePlace(place)).toBe(text);
  });

  it.each([
    '',
    '15001',
    ':15001',
    'a:',
    'a:70000',
    'a:08',
    '::1:80',
    '[::1]',
    '[a]:1',
    '256.0.0.1:1',
    'a_b:1',
    '-a:1',
    'a:1 ',
    'a b:1',
  ])('%j is none', (text) => {
    expect(readHostPort(text)).toBeNull();
  });

  it('of a socket begins with unix:', () => {
    expect(readSocketPath('unix:/run/a.sock')).toEqual({ path: '/run/a.sock' });
    expect([readSocketPath('unix:'), readSocketPath('/run/a.sock'), readSocketPath('unix:a\0b')]).toEqual([
      null,
      null,
      null,
    ]);
  });

  it.each([
    ['127.9.9.9', true],
    ['localhost', true],
    ['::1', true],
    ['0:0:0:0:0:0:0:1', true],
    ['0.0.0.0', false],
    ['::', false],
    ['127.example', false],
    ['10.0.0.1', false],
    ['::ffff:10.0.0.1', false],
  ])('%s reaches this machine alone: %s', (host, expected) => {
    expect(isLoopback({ host, port: 1 })).toBe(expected);
  });

  it('collides with another that would want its socket', () => {
    const at = (host: string, port: number) => ({ host, port });
    expect(collide(at('127.0.0.1', 1), at('0.0.0.0', 1))).toBe(true);
    expect(collide(at('localhost', 1), at('127.0.0.1', 1))).toBe(true);
    expect(collide({ path: '/a' }, { path: '/a' })).toBe(true);
    expect(collide(at('127.0.0.1', 0), at('127.0.0.1', 0))).toBe(false);
    expect(collide(at('127.0.0.1', 1), at('127.0.0.2', 1))).toBe(false);
    expect(collide(at('127.0.0.1', 1), { path: '/a' })).toBe(false);
  });
});

describe('sizes and times', () => {
  it('carry their unit', () => {
    expect(['64MiB', '16KiB', '1GiB', '512B', '0B'].map(readSize)).toEqual([
      67108864, 16384, 1073741824, 512, 0,
    ]);
    expect(['200ms', '5s', '5m', '1h'].map(readDuration)).toEqual([200, 5000, 300000, 3600000]);
  });

  it.each(['64', '64MB', '64 MiB', '-1KiB', '1.5MiB', '01KiB', '1kib', '', '9999999999B'])(
    '%j is no size',
    (text) => {
      expect(readSize(text)).toBeNull();
    },
  );

  it.each(['5', '5 s', '-5s', '1.5s', '5sec', '05s', '1d', ''])('%j is no time', (text) => {
    expect(readDuration(text)).toBeNull();
  });
});
