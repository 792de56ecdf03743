import { describe, expect, it } from 'vitest';
import { Accounts } from '../../../sidecar/core/accounts.ts';
import { Ledger } from '../../../sidecar/core/ledger.ts';
import { type Hop, hopOf, linesOf, mostOf, readLedger, withHop } from '../../../sidecar/core/ledger-text.ts';
import { Life } from '../../../sidecar/core/life.ts';
import { FakeEndpoint } from '../../support/calls.ts';

const hop = (from: string, to: string, parts: Partial<Hop> = {}): Hop => ({
  from,
  to,
  pick: 0,
  queue: 0,
  connect: 0,
  wait: 0,
  there: 0,
  ...parts,
});

/** A life with these waits, at its peer since then. */
const spending = (id: string, parts: { bornAt?: number; sentAt?: number; connect?: number } = {}): Life => {
  const { bornAt = 1000, sentAt = bornAt, connect = 0 } = parts;
  const life = new Life(bornAt);
  life.id = id;
  life.spend('connectMs', connect);
  if (sentAt >= 0) life.sent(sentAt);
  life.at = new FakeEndpoint();
  return life;
};

describe("a ledger's text", () => {
  it('has a hop for each sidecar, the farthest first, and what was nothing is left out', () => {
    const far = withHop('', hop('orders', '', { there: 180 }));
    const text = withHop(far, hop('web', 'orders', { queue: 3, connect: 12, wait: 25, there: 181 }));
    expect(text).toBe('orders;app=180,web>orders;queue=3;connect=12;wait=25;peer=181');
    expect(linesOf(readLedger(text)!)).toEqual([
      'orders  app 180 ms',
      'web>orders  queue 3 ms, connect 12 ms, wait 25 ms, peer 181 ms',
    ]);
  });

  it('is read back as it was written', () => {
    const hops = [hop('a', '', { pick: 5 }), hop('b', 'a', { queue: 1, connect: 2, wait: 3, there: 4 })];
    const text = hops.reduce((ledger, each) => withHop(ledger, each), '');
    expect(readLedger(text)).toEqual(hops);
  });

  it('keeps the newest sixteen hops, and at most 1 KiB', () => {
    let short = '';
    for (let at = 0; at < 40; at++) short = withHop(short, hop(`s${at}`, ''));
    expect(short.split(',')).toEqual(Array.from({ length: 16 }, (_, at) => `s${at + 24}`));
    let long = '';
    for (let at = 0; at < 16; at++) long = withHop(long, hop('x'.repeat(120), `y${at}`));
    expect(long.length).toBeLessThanOrEqual(1024);
    expect(long.endsWith('>y15')).toBe(true);
  });

  it.each(['', 'a b', 'a;app=x', 'a;app=-1', 'a;rent=5', 'a>b>c', 'a,,b', 'a;app=1\n', 'a'.repeat(1025)])(
    'is none when it reads %j',
    (text) => {
      expect(readLedger(text)).toBeNull();
    },
  );

  it('writes no name that would break it', () => {
    expect(withHop('', hop('a,b;c', 'd>e'))).toBe('a_b_c>d_e');
  });
});

describe('who had the most of the time', () => {
  const sleeping = [hop('orders', '', { there: 280 }), hop('web', 'orders', { connect: 12, there: 285 })];

  it('is an app that called nobody', () => {
    expect(mostOf(sleeping)).toBe("the app of 'orders': 280 of 297 ms");
  });

  it('is what stands behind an app that only waited', () => {
    const hops = [
      hop('stock', '', { there: 20 }),
      hop('orders', 'stock', { connect: 250, there: 21 }),
      ...sleeping,
    ];
    expect(mostOf(hops)).toBe("connecting from 'orders' to 'stock': 250 of 297 ms");
  });

  it.each([
    [{ pick: 900 }, "the sidecar of 'web': 900 of 901 ms"],
    [{ queue: 900 }, "waiting for room on the connections from 'web' to 'orders': 900 of 901 ms"],
    [{ wait: 900 }, "waiting between attempts from 'web' to 'orders': 900 of 901 ms"],
  ])('is what the sidecar waited for: %j', (parts, said) => {
    expect(mostOf([hop('web', 'orders', { ...parts, there: 1 })])).toBe(said);
  });

  it('is the way, when the callee accounts for little', () => {
    expect(mostOf([hop('orders', '', { there: 5 }), hop('web', 'orders', { there: 300 })])).toBe(
      "the way from 'web' to 'orders': 295 of 300 ms",
    );
  });

  it('is the callee, when that says nothing', () => {
    expect(mostOf([hop('web', 'orders', { there: 300 })])).toBe("'orders': 300 of 300 ms");
  });

  it('is nobody where there was none', () => {
    expect(mostOf([hop('web', 'orders')])).toBe('');
  });
});

describe('the hop of a call', () => {
  it('was at its peer for what nobody waited for', () => {
    const life = spending('id', { connect: 12, sentAt: 1015 });
    expect(hopOf(life, 'web', 'orders', 1100)).toEqual(
      hop('web', 'orders', { pick: 3, connect: 12, there: 85 }),
    );
  });

  it('was in the sidecar when it was never sent', () => {
    expect(hopOf(spending('id', { sentAt: -1 }), 'web', 'orders', 1100)).toMatchObject({
      pick: 100,
      there: 0,
    });
  });

  it('counts a wait that is not over', () => {
    const life = spending('id', { sentAt: -1 });
    life.wait({ cancelled: () => {}, spending: 'connectMs', since: 1010 });
    expect(hopOf(life, 'web', 'orders', 1100)).toMatchObject({ pick: 10, connect: 90, there: 0 });
  });
});

describe('the trailers of a call', () => {
  const outOfTime = ['grpc-status', '4', 'grpc-message', 'late'];

  it('get a hop more, and the message of ours says who had the most', () => {
    const ledger = new Ledger(new Accounts('web'), 'outbound');
    const fields = [...outOfTime, 'x-outrigger-ledger', 'inventory;app=80'];
    expect(ledger.close(spending('id', { connect: 20, sentAt: 1020 }), fields, 1100, true)).toEqual([
      'grpc-status',
      '4',
      'grpc-message',
      "late; most of the time went to the app of 'inventory': 80 of 100 ms",
      'x-outrigger-ledger',
      'inventory;app=80,web>inventory;connect=20;peer=80',
    ]);
  });

  it('say it anew where a sidecar behind us has said it, and leave alone what an app wrote', () => {
    const ledger = new Ledger(new Accounts('web'), 'outbound');
    const life = spending('id', { connect: 90, sentAt: 1090 });
    const said = "late; most of the time went to the app of 'inventory': 9 of 9 ms";
    const close = (message: string) =>
      ledger.close(life, ['grpc-status', '4', 'grpc-message', message], 1100, false)[3];
    expect(close(said)).toBe(
      "late; most of the time went to connecting from 'web' to 'inventory': 90 of 100 ms",
    );
    expect(close('late')).toBe('late');
  });

  it('believe no ledger that cannot be read', () => {
    const ledger = new Ledger(new Accounts('web'), 'outbound');
    const fields = ['grpc-status', '14', 'x-outrigger-ledger', 'what is this'];
    expect(ledger.close(spending('id'), fields, 1100, false)).toEqual([
      'grpc-status',
      '14',
      'x-outrigger-ledger',
      'web>inventory;peer=100',
    ]);
  });

  it('of a call that came in hold what was called on its behalf, by the same id and within its time', () => {
    const accounts = new Accounts('orders');
    const [out, into] = [new Ledger(accounts, 'outbound'), new Ledger(accounts, 'inbound')];
    const told = (life: Life) => into.close(life, ['grpc-status', '14'], 1300, false).at(-1);
    out.close(spending('id', { bornAt: 1010 }), ['grpc-status', '14'], 1200, false);
    out.gone(spending('id', { bornAt: 1200 }), 1210); // shorter: it explains less
    expect(told(spending('id'))).toBe('orders>inventory;peer=190,orders;app=300');
    expect(told(spending('other'))).toBe('orders;app=300');
    expect(told(spending('id', { bornAt: 1250 }))).toBe('orders;app=50');
  });

  it('hold what is still being called, once that is slow', () => {
    const accounts = new Accounts('orders');
    const into = new Ledger(accounts, 'inbound');
    const running = spending('id', { bornAt: 1010 });
    const told = () => into.close(spending('id'), ['grpc-status', '4'], 1300, false).at(-1);
    expect(told()).toBe('orders;app=300');
    accounts.slow(running);
    expect(told()).toBe('orders>inventory;peer=290,orders;app=300');
    new Ledger(accounts, 'outbound').gone(running, 1300);
    expect(told()).toBe('orders>inventory;peer=290,orders;app=300');
  });

  it('are remembered for the last 512 calls alone', () => {
    const accounts = new Accounts('orders');
    for (let at = 0; at < 600; at++) accounts.close(spending(`id-${at}`, { bornAt: 1010 }), '', 1020);
    expect(accounts.within(spending('id-87'), 1100)).toBe('');
    expect(accounts.within(spending('id-88'), 1100)).toBe('orders>inventory;peer=10');
  });
});
