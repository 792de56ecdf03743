import { OpenFeature, ProviderEvents } from '@openfeature/server-sdk';
import { afterEach, expect, test } from 'vitest';
import { flagsOf } from '../../../sdk/flags.ts';
import { Metadata } from '../../../sdk/index.ts';
import { MeshProvider } from '../../../sdk/openfeature.ts';
import { far, meshAt, near, rawTake } from './stage.ts';

afterEach(() => OpenFeature.close());

/** A client of OpenFeature while a call with this baggage is being served; null: outside of every call. */
const during = async (baggage: string | null) => {
  const provider = new MeshProvider({
    context: () => (baggage === null ? null : { flags: flagsOf(baggage) }),
  });
  await OpenFeature.setProviderAndWait(provider);
  return OpenFeature.getClient();
};

test('a service reads through OpenFeature what was decided for the call that it serves', async () => {
  const mesh = await meshAt(await far());
  await OpenFeature.setProviderAndWait(new MeshProvider(mesh));
  const client = OpenFeature.getClient();
  const app = await near(mesh, {
    take: async () => ({ sku: String(await client.getBooleanValue('express', false)), left: 0 }),
  });
  const words = new Metadata();
  words.set('baggage', 'ff.express=on');
  expect(await rawTake(app, words).reply).toMatchObject({ sku: 'true' });
  expect(await rawTake(app, new Metadata()).reply).toMatchObject({ sku: 'false' }); // control
  expect(await client.getBooleanValue('express', true)).toBe(true); // outside of a call
});

test("the variant's name is the value, in the type that was asked for", async () => {
  const client = await during('ff.express=on,ff.old=off,ff.rate=2.5,ff.colour=blue');
  expect(await client.getBooleanDetails('express', false)).toMatchObject({
    value: true,
    variant: 'on',
    reason: 'TARGETING_MATCH',
  });
  expect(await client.getBooleanValue('old', true)).toBe(false);
  expect(await client.getNumberValue('rate', 1)).toBe(2.5);
  expect(await client.getStringValue('colour', 'red')).toBe('blue');
});

test('what is of another type, and what nobody decided, is the default with the reason', async () => {
  const client = await during('ff.colour=blue');
  expect(await client.getBooleanDetails('colour', true)).toMatchObject({
    value: true,
    reason: 'ERROR',
    errorCode: 'TYPE_MISMATCH',
  });
  expect(await client.getNumberDetails('colour', 7)).toMatchObject({ value: 7, errorCode: 'TYPE_MISMATCH' });
  expect(await client.getObjectDetails('colour', {})).toMatchObject({ errorCode: 'TYPE_MISMATCH' });
  expect(await client.getStringDetails('express', 'no')).toMatchObject({
    value: 'no',
    reason: 'ERROR',
    errorCode: 'FLAG_NOT_FOUND',
  });
});

test('outside of a call the default holds, and is no error', async () => {
  const details = await (await during(null)).getBooleanDetails('express', true);
  expect(details).toMatchObject({ value: true, reason: 'DEFAULT' });
  expect(details.errorCode).toBeUndefined();
});

test('it is ready at once, and tells of definitions that it has not met before, once', async () => {
  let baggage = 'outrigger.flags=11111111.web,ff.express=on';
  const heard: unknown[] = [];
  await OpenFeature.setProviderAndWait(new MeshProvider({ context: () => ({ flags: flagsOf(baggage) }) }));
  OpenFeature.addHandler(ProviderEvents.Ready, () => void heard.push('ready'));
  OpenFeature.addHandler(ProviderEvents.ConfigurationChanged, (event) => void heard.push(event?.message));
  const client = OpenFeature.getClient();
  for (const version of ['11111111', '22222222', '11111111', '22222222']) {
    baggage = `outrigger.flags=${version}.web,ff.express=on`;
    await client.getBooleanValue('express', false);
  }
  expect(heard).toEqual(['ready', 'calls come that were decided by definitions 22222222']);
});
