import { type PagesOptions, type PagesPort, servePages } from './http-pages.ts';
import { healthPages, pages } from './pages.ts';

/** What the admin port and the health port are opened with. */
export type AdminOptions = Omit<PagesOptions, 'name' | 'pages' | 'localNamesOnly'>;

/** The admin port: read-only HTTP for people, probes and Prometheus on this machine. */
export type Admin = PagesPort;

/** Opens the admin port, on a loopback address: the settings see to it. Rejects when it is taken. */
export const startAdmin = (options: AdminOptions): Promise<Admin> =>
  servePages({ ...options, name: 'admin', pages, localNamesOnly: true });

/**
 * Opens the health port, for those who probe and scrape from elsewhere, such as a kubelet: whether the sidecar lives,
 * whether it is ready, and its numbers. They call it by whatever name they know it by.
 */
export const startHealth = (options: AdminOptions): Promise<PagesPort> =>
  servePages({ ...options, name: 'health', pages: healthPages, localNamesOnly: false });
