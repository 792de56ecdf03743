import { describe, expect, it } from 'vitest';
import { mostPolls, Polls } from '../../../sidecar/consul/polls.ts';

const { signal } = new AbortController();

describe('places to hang at Consul', () => {
  it('are 12 in all, those that are kept among them', () => {
    expect(mostPolls).toBe(12);
    const polls = new Polls(() => 0.5);
    const kept = Array.from({ length: 4 }, () => polls.seat(signal));
    const names = Array.from({ length: 40 }, () => polls.seat(signal, () => 1000));
    expect([...kept, ...names].filter((seat) => seat.hang() !== null)).toHaveLength(12);
    expect(kept.every((seat) => seat.hang() !== null)).toBe(true);
  });

  it('are kept for what comes later too: a name makes room for the leaf', () => {
    const polls = new Polls(() => 0.5, 2);
    const old = polls.seat(signal, () => 1000).hang();
    const fresh = polls.seat(signal, () => 2000).hang();
    const leaf = polls.seat(signal);
    expect(leaf.hang()!.signal.aborted).toBe(false);
    expect([old!.signal.aborted, fresh!.signal.aborted]).toEqual([true, false]);
  });

  it('go to the name that was called last, when it was called 10 s after another', () => {
    const polls = new Polls(() => 0.5, 2);
    const called = { a: 0, b: 5000, c: 9999 };
    const [a, b, c] = [
      polls.seat(signal, () => called.a),
      polls.seat(signal, () => called.b),
      polls.seat(signal, () => called.c),
    ];
    const [ofA, ofB] = [a.hang()!, b.hang()!];
    expect(c.hang()).toBeNull();
    called.c = 10_000;
    expect(c.hang()!.signal.aborted).toBe(false);
    expect([ofA.signal.aborted, ofB.signal.aborted]).toEqual([true, false]);
    expect(a.hang()).toBeNull();
    expect(polls.holding).toBe(2);
  });

  it('do not go round among names that are all being called', () => {
    const polls = new Polls(() => 0.5, 2);
    let now = 0;
    const names = Array.from({ length: 5 }, (_, place) => polls.seat(signal, () => now - place * 1000));
    const first = names.map((seat) => seat.hang());
    for (now = 0; now < 60_000; now += 650) for (const seat of names) seat.hang();
    expect(first.map((place) => place?.signal.aborted)).toEqual([
      false,
      false,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('come free when a watch leaves or is told to stop', () => {
    const polls = new Polls(() => 0.5, 1);
    const stop = new AbortController();
    const one = polls.seat(stop.signal, () => 1);
    const two = polls.seat(signal, () => 1);
    const place = one.hang()!;
    expect(two.hang()).toBeNull();
    stop.abort();
    expect(place.signal.aborted).toBe(true);
    expect(one.hang()).toBeNull();
    expect(two.hang()).not.toBeNull();
    two.leave();
    expect(polls.holding).toBe(0);
    const kept = polls.seat(signal);
    expect(polls.seat(signal, () => 1).hang()).toBeNull();
    kept.leave();
    expect(polls.seat(signal, () => 1).hang()).not.toBeNull();
  });

  it('hang for 24 to 30 s', () => {
    const [least, most] = [new Polls(() => 0), new Polls(() => 0.9999)].map((polls) => polls.seat(signal));
    expect([least!.hang()!.waitMs, most!.hang()!.waitMs]).toEqual([24_000, 29_999]);
  });

  it('are looked for without one every 500 to 800 ms, by all watches in one round', () => {
    let chance = 0;
    const polls = new Polls(() => chance);
    const [one, two] = [polls.seat(signal), polls.seat(signal)];
    expect([one.lookAfterMs(1000), two.lookAfterMs(1100)]).toEqual([500, 400]);
    chance = 0.9999;
    expect([two.lookAfterMs(1502), one.lookAfterMs(1540)]).toEqual([799, 761]);
  });
});
