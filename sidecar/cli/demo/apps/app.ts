import {
  connect,
  type Mesh,
  type Methods,
  type Served,
  type ServerInterface,
} from '../../../../sdk/index.ts';
import { type Line, openDiary } from '../diary.ts';
import { type Stage, stageDefinition } from '../services.ts';
import { tellServed } from './telling.ts';

/** What every app of the demo has. */
export interface App {
  readonly name: string;
  readonly mesh: Mesh;
  readonly tell: (line: Partial<Line>) => void;
}

/** Connects to the sidecar and opens the log. The demo says by the environment who we are. */
export const startApp = async (): Promise<App> => {
  const name = process.env['DEMO_NAME'] ?? 'app';
  // The demo holds the other end: when it is gone, whatever ended it, so are we.
  process.stdin
    .on('error', () => {})
    .once('close', () => process.exit(0))
    .resume();
  return { name, mesh: await connect(), tell: openDiary(process.env['DEMO_LOG'] ?? '/dev/null', name) };
};

/** Serves what the app is in the mesh, telling of each call. */
export const serveApp = <D extends object>(
  app: App,
  definition: D,
  methods: Methods<ServerInterface<D>>,
): Promise<Served> =>
  app.mesh.serve(definition, tellServed(app.tell, methods), { port: Number(process.env['PORT']) });

/** Serves the stage, and says that the app is ready. */
export const takeStage = async (app: App, stage: Partial<Methods<Stage>>): Promise<void> => {
  const nothing = (): object => ({});
  const methods: Methods<Stage> = {
    play: nothing,
    pause: () => ({ calls: [] }),
    behave: nothing,
    ...stage,
  };
  await app.mesh.serve(stageDefinition(), methods, { socket: process.env['DEMO_STAGE'] ?? '' });
  app.tell({ event: 'ready' });
};
