import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import { forbidden } from '../core/forbidden.ts';

/**
 * Looks a hostname up, and hands out only addresses that a peer may have: a name must not lead to what its address
 * could not, such as the metadata service of a cloud at 169.254.169.254.
 */
export const lookupAllowed: LookupFunction = (hostname, options, done) => {
  dns.lookup(hostname, { ...options, all: true }, (error, found) => {
    if (error !== null) return done(error, '', 0);
    const allowed = found.filter(({ address }) => forbidden(address) === null);
    const [first] = allowed;
    if (first === undefined) {
      const addresses = found.map(({ address }) => address).join(', ');
      return done(new Error(`'${hostname}' leads to ${addresses}, where no peer may be`), '', 0);
    }
    if (options.all === true) return done(null, allowed);
    done(null, first.address, first.family);
  });
};
