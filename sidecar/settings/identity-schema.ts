import { z } from 'zod';
import { oneOf, path } from './shapes.ts';

/** The three ways to say who we are; a plain word is short for `from`. */
export type IdentityFile =
  | 'consul'
  | 'none'
  | {
      from?: 'consul' | 'files' | 'none' | undefined;
      files?: { cert: string; key: string; ca: string } | undefined;
      'min-version'?: 'TLSv1.2' | 'TLSv1.3' | undefined;
    };

const files = z.strictObject({
  cert: path.meta({ description: 'PEM: the leaf, then its intermediates' }),
  key: path.meta({ description: 'PEM of the private key' }),
  ca: path.meta({ description: 'PEM of every trusted root' }),
});
/** Who we are. */
export const identity: z.ZodType<IdentityFile> = z.union(
  [
    z.enum(['consul', 'none']),
    z.strictObject({
      from: oneOf('consul', 'files', 'none')
        .optional()
        .meta({ description: 'Default consul with discovery from Consul' }),
      files: files.optional().meta({ description: 'Certificates from files, read again when they change' }),
      'min-version': oneOf('TLSv1.2', 'TLSv1.3').optional().meta({
        description: 'Least version of TLS between sidecars. Default `TLSv1.2`, for proxies of other makes',
      }),
    }),
  ],
  { error: () => 'must be consul, none, or { files: { cert: PATH, key: PATH, ca: PATH } }' },
);
