import { type Admin, startAdmin, startHealth } from './control/admin.ts';
import { startControl } from './control/control.ts';
import { controlPath } from './control/socket.ts';
import type { SidecarView } from './control/view.ts';
import type { Kit } from './core/kit.ts';
import type { Settings } from './settings/settings.ts';

/** The way of questions from people and programs: admin, health and control. */
export interface WayToAsk {
  /** As bound. */
  readonly admin: string;
  /** As bound; null where there is no such port. */
  readonly health: string | null;
  close(): Promise<void>;
}

/** Opens the ports and the socket that are set; rejects when one is taken, and leaves none open then. */
export const openWayToAsk = async (
  { listen, limits }: Settings,
  { log, meter }: Kit,
  view: SidecarView,
): Promise<WayToAsk> => {
  const open: { close(): Promise<void> }[] = [];
  const close = async (): Promise<void> => void (await Promise.all(open.map((each) => each.close())));
  const common = { log, meter, limits, view };
  try {
    const admin = await startAdmin({ ...listen.admin, ...common });
    open.push(admin);
    const health = listen.health === null ? null : await startHealth({ ...listen.health, ...common });
    if (health !== null) open.push(health);
    if (listen.control !== 'none') {
      const path = listen.control === 'default' ? controlPath(view.service, admin.port) : listen.control.path;
      open.push(await startControl({ path, ...common }));
    }
    return { admin: addressOf(admin), health: health === null ? null : addressOf(health), close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
};

const addressOf = ({ host, port }: Admin): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
