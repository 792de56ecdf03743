import { answerOk, startPlainApp } from './echo-plain.ts';
import { codesByPath, oddPaths, otherCase } from './odd-paths.ts';
import { sumOf, twoSidecars } from './sidecars.ts';

/** What became of odd paths on their way through two sidecars, and without any. */
export interface PathGames {
  /** gRPC status by path. */
  readonly codes: readonly string[];
  /** Paths that the app was asked for: through sidecars, through them in another case, and without any. */
  readonly reached: readonly string[];
  readonly otherCase: readonly string[];
  readonly direct: readonly string[];
  /** Calls that the caller's sidecar refused, as it counts them. */
  readonly refused: number;
}

/** Asks an app that answers everything for all of them. */
export const playPaths = async (): Promise<PathGames> => {
  const app = await startPlainApp((stream) => answerOk(stream));
  const mesh = await twoSidecars({ callee: { service: { port: app.port } } });
  const taken = (): string[] => app.seen.splice(0).map((fields) => String(fields[':path']));
  try {
    const port = Number(mesh.caller.ports.app.split(':')[1]);
    const codes = await codesByPath(port, oddPaths, 'echo');
    const reached = taken();
    await codesByPath(port, otherCase, 'echo');
    const inOtherCase = taken();
    await codesByPath(app.port, oddPaths);
    const direct = taken();
    const refused = sumOf(mesh.caller, 'outrigger_calls_total', 'method="malformed"', 'code="UNIMPLEMENTED"');
    return { codes, reached, otherCase: inOtherCase, direct, refused };
  } finally {
    await mesh.close();
    app.close();
  }
};
