/** Who a certificate says its holder is. */
export interface SpiffeId {
  /** The whole id, as it stands in the certificate. */
  readonly uri: string;
  readonly trustDomain: string;
  /**
   * The name that intentions and endpoints use. Of Consul's form in its default namespace, `/ns/default/dc/D/svc/S`,
   * it is `S`, whatever the datacenter: those of one Consul are not told apart. Of any other id, one of another
   * namespace or partition included, it is the whole path without its first slash, so that `/prod/orders`,
   * `/ns/prod/dc/D/svc/orders` and the `orders` of the default namespace never pass for each other.
   *
   * A path of one segment is a short name as well: `/orders` and `/ns/default/dc/D/svc/orders` of one trust domain
   * are the same service. An authority that issues both forms must give a name to one service only.
   */
  readonly service: string;
}

const longestUri = 2048;
const trustDomain = /^[a-z0-9._-]{1,255}$/;
const segment = /^[A-Za-z0-9._-]+$/;

/**
 * Reads a SPIFFE id, strictly: no port, user, query, fragment, escape, empty or dotted segment, no upper case
 * in scheme or trust domain. Null for anything else, and for an id without a path: that names a whole domain.
 *
 * Ref: SPIFFE-ID.md, sections 2.1 to 2.3.
 */
export const readSpiffe = (uri: string): SpiffeId | null => {
  if (uri.length > longestUri || !uri.startsWith('spiffe://')) return null;
  const [domain = '', ...segments] = uri.slice('spiffe://'.length).split('/');
  if (!trustDomain.test(domain) || segments.length === 0) return null;
  for (const part of segments) if (!segment.test(part) || part === '.' || part === '..') return null;
  return { uri, trustDomain: domain, service: serviceOf(segments) };
};

/** The partition `default` may be named: to Consul Enterprise it is the same as none. */
const consulForm = /^(?:ap\/default\/)?ns\/default\/dc\/[^/]+\/svc\/([^/]+)$/;

const serviceOf = (segments: readonly string[]): string => {
  const path = segments.join('/');
  return consulForm.exec(path)?.[1] ?? path;
};

/** One name of `subjectAltName` as Node writes it: quoted like JSON as soon as it holds anything unusual. */
const name = /(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^",]*)/gy;

/**
 * The SPIFFE id of a certificate, from Node's `subjectAltName` text (of X509Certificate and of
 * getPeerCertificate alike), or the reason why there is none: a certificate must hold exactly one URI.
 *
 * Ref: X509-SVID.md, section 2: validators must refuse more than one URI.
 */
export const certificateSpiffe = (
  subjectAltName: string | undefined,
): { readonly id: SpiffeId } | { readonly why: string } => {
  const text = subjectAltName ?? '';
  const uris: string[] = [];
  let end = 0;
  for (const match of text.matchAll(name)) {
    end = match.index + match[0].length;
    if (match[1] === 'URI') uris.push(match[2]!);
  }
  if (end !== text.length) return { why: 'its names cannot be read' };
  if (uris.length !== 1)
    return { why: uris.length === 0 ? 'it holds no SPIFFE id' : `it holds ${uris.length} URIs, not one` };
  const id = readSpiffe(uris[0]!);
  return id === null ? { why: `'${uris[0]!.slice(0, 200)}' is not a SPIFFE id` } : { id };
};
