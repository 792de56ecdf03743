import * as loader from '@grpc/proto-loader';
import { expect, it, describe as story } from 'vitest';
import { messageShape, protoFile } from '../../../sidecar/control/grpc.ts';
import { Cell } from '../../../sidecar/core/cell.ts';
import { appLoadMethod, type Contract, contractMethod, contractOf } from '../../../sidecar/core/contract.ts';
import { messagesIn } from '../../../sidecar/core/messages.ts';
import { readMessage, textOf } from '../../../sidecar/core/protobuf.ts';
import type { Reply } from '../../../sidecar/core/reply.ts';
import { Code, refused, type Status } from '../../../sidecar/core/status.ts';
import { describe } from '../../../sidecar/filters/describe.ts';
import { answer, newCall } from '../../support/calls.ts';
import { keepsTheFilterContract } from '../../support/filter-contract.ts';
import { stillKit } from '../../support/kit.ts';

const methods = (count: number) =>
  Array.from({ length: count }, (_, at) => ({
    path: `/shop.Inventory/M${at}`,
    unary: true,
    idempotent: true,
  }));

keepsTheFilterContract('describe', {
  make: () => describe({ contract: new Cell<Contract | null>(contractOf(methods(1))) }),
  call: ({ clock }) => newCall(clock),
  refused: {},
});

keepsTheFilterContract('describe', {
  make: () => describe(),
  call: ({ clock }) => newCall(clock),
  refused: {
    'asks where nothing is known': ({ clock }) => newCall(clock, { method: contractMethod }),
    'asks what only our own sidecar may': ({ clock }) => newCall(clock, { method: appLoadMethod }),
  },
});

/** A caller that asks, and lets what it is sent leave as far as the test says. */
const ask = async (contract: Contract | null) => {
  const call = newCall(stillKit().clock, { method: contractMethod, caller: 'web' });
  const filter = describe({ contract: new Cell(contract) });
  let passed = 0;
  const reply: Reply = await filter(call, () => {
    passed++;
    return answer();
  });
  const pieces: Uint8Array[] = [];
  const heard: { bytes: number; status: Status | null } = { bytes: 0, status: null };
  const attach = (): void =>
    reply.attach({
      relay: (chunk, start, end) => {
        pieces.push(chunk.subarray(start, end));
        heard.bytes += end - start;
      },
      finish: (status) => {
        heard.status = status;
      },
    });
  const messages = (): Uint8Array[] => messagesIn(Buffer.concat(pieces));
  const document = (): string => {
    let text = '';
    for (const message of messages())
      readMessage(message, (field, value) => {
        if (field === 1) text = textOf(value);
      });
    return text;
  };
  return { call, reply, heard, attach, messages, document, passed: () => passed };
};

story('describe', () => {
  it('tells the contract itself, and the app hears nothing', async () => {
    const contract = contractOf(methods(3));
    const { heard, attach, document, passed } = await ask(contract);
    attach();
    expect(document()).toBe(contract.document);
    expect(heard.status?.code).toBe(Code.OK);
    expect(passed()).toBe(0);
  });

  it('is not asked by any other method', async () => {
    const filter = describe({ contract: new Cell<Contract | null>(contractOf(methods(1))) });
    let passed = 0;
    const other = newCall(stillKit().clock, { method: '/outrigger.v1.Contract/Put' });
    await filter(other, () => {
      passed++;
      return answer();
    });
    expect(passed).toBe(1);
  });

  it('sends no more than 64 KiB ahead of a caller that does not read', async () => {
    const contract = contractOf(methods(5000));
    const { reply, heard, attach, document } = await ask(contract);
    attach();
    expect(heard).toEqual({ bytes: 64 * 1024, status: null });
    while (heard.status === null) reply.taken(16 * 1024);
    expect(document()).toBe(contract.document);
    expect(contract.document.length).toBeGreaterThan(128 * 1024);
  });

  it('stops for a caller that is gone, before it begins and on the way', async () => {
    const gone = refused(Code.CANCELLED, 'gone');
    for (const begins of [false, true]) {
      const { call, reply, heard, attach } = await ask(contractOf(methods(5000)));
      if (begins) attach();
      call.life.cancel(gone);
      if (!begins) attach();
      expect(heard.status).toBe(gone);
      reply.taken(64 * 1024);
      expect(heard.bytes).toBe(begins ? 64 * 1024 : 0);
      expect(await reply.status).toBe(gone);
    }
  });

  it('lets go of an answer that nobody wants', async () => {
    const { reply } = await ask(contractOf(methods(1)));
    reply.discard();
    expect((await reply.status).code).toBe(Code.CANCELLED);
  });

  it('speaks as proto/outrigger/v1/contract.proto says', async () => {
    const types = loader.loadSync(protoFile('outrigger/v1/contract.proto'), messageShape);
    const { Get } = types['outrigger.v1.Contract'] as loader.ServiceDefinition;
    expect(Get!.path).toBe(contractMethod);
    const contract = contractOf(methods(3));
    const { attach, messages } = await ask(contract);
    attach();
    expect(messages().map((message) => Get!.responseDeserialize(Buffer.from(message)))).toEqual([
      { document: Buffer.from(contract.document) },
    ]);
  });
});
