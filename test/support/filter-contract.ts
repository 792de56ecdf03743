import { describe, expect, it } from 'vitest';
import { Call } from '../../sidecar/core/call.ts';
import type { Filter } from '../../sidecar/core/filter.ts';
import type { Life } from '../../sidecar/core/life.ts';
import type { Reply } from '../../sidecar/core/reply.ts';
import { Code, ok, type Status } from '../../sidecar/core/status.ts';
import { answer, HeldReply, run, settled } from './calls.ts';
import { type StillKit, stillKit } from './kit.ts';

/** How the contract's suite makes a filter and its calls. */
export interface FilterCase<In, Out> {
  /** A fresh filter over this kit; must be called again for each test. */
  readonly make: (kit: StillKit) => Filter<In, Out>;
  /** A call that passes. */
  readonly call: (kit: StillKit) => In;
  /** Calls that the filter refuses, by what is wrong with them; empty for filters that never do. */
  readonly refused: Readonly<Record<string, (kit: StillKit) => In>>;
  /** True for filters that may call `next` again. */
  readonly repeats?: true;
}

/**
 * The filter contract: what every filter keeps, whatever it is for.
 *
 * The suite plays the listener: it ends the life of each call, as `Life` asks.
 */
export const keepsTheFilterContract = <In extends object, Out extends object>(
  name: string,
  { make, call, refused, repeats }: FilterCase<In, Out>,
): void => {
  describe(`${name} keeps the filter contract`, () => {
    it('has the name of its factory, so that a stack can print itself', () => {
      expect(make(stillKit()).name).toBe(name);
    });

    it('passes a call that it does not concern, with the same body', async () => {
      const kit = stillKit();
      const given = call(kit);
      const passed: Out[] = [];
      const status = await run<In>(
        (each) =>
          make(kit)(each, (next) => {
            passed.push(next);
            return answer();
          }),
        given,
      );
      expect(status).toBe(ok);
      expect(passed).toHaveLength(1);
      expect(factsOf(passed[0]!).body).toBe(factsOf(given).body);
      expect(lifeOf(passed[0]!)).toBe(lifeOf(given));
    });

    it('hands on the reply that it was given', async () => {
      const kit = stillKit();
      const given = call(kit);
      const held = new HeldReply(lifeOf(given));
      expect(await make(kit)(given, () => Promise.resolve(held))).toBe(held);
      held.end(ok);
    });

    it('runs down to the transport in the tick of the header block', () => {
      const kit = stillKit();
      let reached = false;
      void make(kit)(call(kit), () => {
        reached = true;
        return answer();
      });
      expect(reached).toBe(true);
    });

    if (!repeats)
      it('calls next at most once, even when the answer could be better', async () => {
        const kit = stillKit();
        let calls = 0;
        const unavailable: Status = { code: Code.UNAVAILABLE, message: '', from: 'wire', reached: false };
        await run<In>(
          (each) =>
            make(kit)(each, () => {
              calls++;
              return answer(unavailable);
            }),
          call(kit),
        );
        expect(calls).toBe(1);
      });

    it('does not write to the call that it was given', async () => {
      const kit = stillKit();
      const given = frozen(call(kit));
      const status = await run<In>((each) => make(kit)(each, () => answer()), given);
      expect(status).toBe(ok);
    });

    it('lets the status settle exactly once', async () => {
      const kit = stillKit();
      const given = call(kit);
      const held = new HeldReply(lifeOf(given));
      const reply = await make(kit)(given, () => Promise.resolve(held));
      const ends: Status[] = [];
      reply.attach({ relay: () => {}, finish: (status) => ends.push(status) });
      held.end(ok);
      held.end({ ...ok, code: Code.INTERNAL });
      lifeOf(given).cancel({ ...ok, code: Code.CANCELLED });
      await settled();
      expect(ends).toEqual([ok]);
      expect(await reply.status).toBe(ok);
      expect(lifeOf(given).outcome).toBe(ok);
    });

    it('leaves nothing behind when the call went well', async () => {
      const kit = stillKit();
      await run<In>((each) => make(kit)(each, () => answer()), call(kit));
      expectNothingLeft(kit);
    });

    it('cleans up when next throws', async () => {
      const kit = stillKit();
      const given = call(kit);
      const bug = new Error('a bug below');
      const threw = async () =>
        make(kit)(given, () => {
          throw bug;
        });
      await expect(threw()).rejects.toBe(bug);
      expectNothingLeft(kit);
      lifeOf(given).settle({ code: Code.INTERNAL, message: String(bug), from: 'mesh', reached: true });
      expectNothingLeft(kit); // and nothing was given back twice
    });

    it('cleans up when next rejects', async () => {
      const kit = stillKit();
      const given = call(kit);
      const status = await run<In>(
        (each) => make(kit)(each, () => Promise.reject(new Error('a bug'))),
        given,
      );
      expect(status.code).toBe(Code.INTERNAL);
      expectNothingLeft(kit);
    });

    it('leaves nothing behind when the call is cancelled', async () => {
      const kit = stillKit();
      const given = call(kit);
      const held = new HeldReply(lifeOf(given));
      const running = run<In>((each) => make(kit)(each, () => Promise.resolve(held)), given);
      const gone: Status = { code: Code.CANCELLED, message: 'caller gone', from: 'wire', reached: true };
      lifeOf(given).cancel(gone);
      expect(await running).toBe(gone);
      expectNothingLeft(kit);
    });

    for (const [why, make_] of Object.entries(refused))
      it(`refuses ${why} by answering: from the mesh, not reached, next not called`, async () => {
        const kit = stillKit();
        const given = frozen(make_(kit));
        let calls = 0;
        const pending = make(kit)(given, () => {
          calls++;
          return answer();
        });
        kit.pass(1500); // for refusals that wait for an answer first
        const reply: Reply = await pending;
        expect(reply.over).toMatchObject({ from: 'mesh', reached: false });
        expect(reply.over!.message).not.toBe('');
        expect(reply.head).toBeNull();
        expect(calls).toBe(0);
        lifeOf(given).settle(reply.over!);
        expectNothingLeft(kit);
      });
  });
};

const factsOf = (stage: object): Call => (stage instanceof Call ? stage : (stage as { call: Call }).call);

const lifeOf = (stage: object): Life => factsOf(stage).life;

/** Freezes what filters may not write to: all but the life. */
const frozen = <T extends object>(stage: T): T => {
  const call = factsOf(stage);
  Object.freeze(call.arrival.words);
  Object.freeze(call.arrival);
  Object.freeze(call);
  return Object.freeze(stage);
};

/** No timer on the wheel, no call in flight. */
const expectNothingLeft = (kit: StillKit): void => {
  expect(kit.wheel.size).toBe(0);
  for (const family of kit.meter.read())
    if (family.definition.name === 'outrigger_calls_in_flight')
      for (const cell of family.cells.values()) expect(cell).toMatchObject({ value: 0 });
};
