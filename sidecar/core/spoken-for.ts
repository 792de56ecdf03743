/**
 * Header names that say who calls, or what a sidecar says. Whoever may write them speaks for somebody else, so they
 * end where a request enters, on the app's port as on the peers': an app that was behind another proxy before may
 * still believe what that one would have written.
 *
 * Dashes and underscores are the same to every framework that turns headers into variables, and `-bin` is another
 * spelling in gRPC. Upper case is no header of HTTP/2 (RFC 9113 section 8.2.1).
 */
const ours = /^x[-_]outrigger(?:[-_]|$)/;
/**
 * Envoy's and Istio's x-forwarded-client-cert, Linkerd's l5d-client-id, and the Client-Cert and Client-Cert-Chain of
 * RFC 9440, whose section 2.4 asks proxies to do this.
 */
const theirs =
  /^(?:x[-_]forwarded[-_]client[-_]cert|l5d[-_]client[-_]id|client[-_]cert(?:[-_]chain)?)(?:[-_]bin)?$/;

/** Whether a name in lower case is in a spelling of our own prefix. */
export const isOurs = (name: string): boolean => name.charCodeAt(0) === 0x78 && ours.test(name);

/** Whether it is that, or a name by which another make of proxy says who calls. */
export const isSpokenFor = (name: string): boolean => {
  const first = name.charCodeAt(0);
  // x, l and c: nothing else is looked at, and few headers begin so that are not known by name.
  if (first !== 0x78 && first !== 0x6c && first !== 0x63) return false;
  return ours.test(name) || theirs.test(name);
};
