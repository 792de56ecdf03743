import { answerOk, startPlainApp } from './echo-plain.ts';
import { twoSidecars } from './sidecars.ts';
import { lies, ourSpellings, spoofedAmong, theirSpellings } from './spoofed-names.ts';

/** Who the app could believe to be called by, of all names that were sent. */
export interface IdentityGames {
  readonly sent: number;
  /** Names that came through two sidecars, and what the one says that is true. */
  readonly arrived: readonly string[];
  readonly caller: string;
  /** Names that come back to the caller from an app that lies in headers and trailers. */
  readonly returned: readonly string[];
  /** Names that arrive, and come back, without sidecars. */
  readonly direct: number;
}

/** Sends every spelling, twice each, with an app that answers with as many. */
export const playIdentities = async (): Promise<IdentityGames> => {
  const spoofed = Object.fromEntries(ourSpellings.map((name) => [name, 'YWRtaW4=']));
  const app = await startPlainApp((stream) => answerOk(stream, spoofed, spoofed));
  const mesh = await twoSidecars({ callee: { service: { port: app.port } } });
  const names = [...ourSpellings, ...theirSpellings];
  const metadata = [...lies(names), ...lies(names)];
  try {
    const there = await mesh.client.call('Unary', 'm', { metadata });
    const seen = app.seen.at(-1)!;
    const back = [there.headers, there.trailers].flatMap((each) => spoofedAmong(Object.keys(each.getMap())));
    const direct = await mesh
      .connect('echo', { target: `127.0.0.1:${app.port}` })
      .call('Unary', 'm', { metadata });
    const arrived = spoofedAmong(Object.keys(app.seen.at(-1)!)).length;
    const answered = [direct.headers, direct.trailers].flatMap((each) =>
      spoofedAmong(Object.keys(each.getMap())),
    );
    return {
      sent: names.length,
      arrived: spoofedAmong(Object.keys(seen)),
      caller: String(seen['x-outrigger-caller']),
      returned: back,
      direct: arrived + answered.length,
    };
  } finally {
    await mesh.close();
    app.close();
  }
};
